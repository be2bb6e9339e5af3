// What the shapes of a CLIP model's tensors tell of its configuration.
#pragma once

#include <string>

#include "models/clip/names.h"

namespace tessera {

// The configuration that shapes tell, of tensors under Hugging Face's names. What they cannot tell is as OpenAI's
// models have it: heads of 64 channels, QuickGELU, the text pooled at the largest id. `source` begins messages.
ClipConfig clip_config_of(const NamedTensors& tensors, const std::string& source);

// Throws where the configuration describes a much larger model than the weights are: before memory is taken for one,
// since nobody has checked the file that it comes from.
void check_clip_size(const ClipConfig& config, const NamedTensors& tensors, const std::string& source);

}  // namespace tessera

// torchvision's files of residual networks, of which a network here begins.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "io/weights/weight_file.h"

namespace tessera {

// The tensors of the network, by torchvision's names (conv1.weight, layer1.0.bn1.running_mean …): without its
// classifier, and without num_batches_tracked, which is for other momenta than ours. `notes` of the file tell what was
// left out.
WeightFile read_resnet_file(const std::filesystem::path& path);

}  // namespace tessera

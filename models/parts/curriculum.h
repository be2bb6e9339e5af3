// Which captions the first steps of a training are drawn from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/sampler.h"
#include "data/samples.h"

namespace tessera {

// Those of `source` in the annotated group `group`; empty where `options` have no curriculum. Throws where there are no
// captions, no annotations, or none of the group.
std::vector<int64_t> curriculum_captions(const SampleSource& source, const SamplerOptions& options,
                                         const std::string& group);

}  // namespace tessera

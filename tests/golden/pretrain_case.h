// Batches of pre-training from golden cases: padded tensors in, packed ones out.
#pragma once

#include <string>

#include "tests/golden/padded_case.h"

namespace tessera::golden {

// One padded batch of the file (tensor names begin with `prefix`): sequence i is masked text i with its image, sequence
// B + i the clean text with its own or a false image. With `sampled` only the patches of select_mlm and select_itm.
PretrainBatch read_pretrain_batch(const SafeTensors& file, const std::string& prefix, const ModelConfig& config,
                                  bool sampled);

}  // namespace tessera::golden

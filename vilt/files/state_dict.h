// Between the parameters in memory and the tensors of a file. Files have Hugging Face's names and shapes:
//
//   memory                                                file
//   …attention.qkv.weight [3d, d], .bias [3d]             …attention.attention.{query,key,value}.weight [d, d], .bias
//   [d] …patch_embeddings.projection.weight [d, 3P²]          the same name, [d, 3, P, P] …embeddings.cls_token,
//   …embeddings.mask_token [1, d]  the same names, [1, 1, d] …embeddings.position_embeddings [1 + n², d]           the
//   same name, [1, 1 + n², d]
#pragma once

#include <map>
#include <string>
#include <vector>

#include "nn/parameter.h"
#include "vilt/config.h"

namespace tessera {

using StateDict = std::map<std::string, Tensor>;

// Views of `state` (by the names in memory: values, gradients or moments) under the names and shapes of files.
// Writing into them writes into the originals.
StateDict file_views(const StateDict& state, const ModelConfig& config);

// Throws unless `file` holds exactly the parameters' tensors; the error tells the differences
// (nn/state_differences.h).
void check_file_state(const ParameterSet& parameters, const ModelConfig& config, const StateDict& file,
                      const std::string& source);

// Copies a file's tensors into the parameters. Strict: where one is missing, unexpected or misshaped nothing is
// loaded.
void load_file_state(ParameterSet& parameters, const ModelConfig& config, const StateDict& file,
                     const std::string& source);

struct PartialLoad {
  int64_t loaded = 0, total = 0;      // numbers of the parameters
  std::vector<std::string> left_out;  // names, as in files, of tensors that keep their values
  std::string differences;            // a line for each tensor that is missing, unexpected or misshaped
};

// Copies what fits.
PartialLoad load_fitting_state(ParameterSet& parameters, const ModelConfig& config, const StateDict& file);

}  // namespace tessera

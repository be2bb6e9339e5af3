// What golden cases of models that read regions share: padded tensors that become packed ones, BERT's names in files.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "nn/parameter.h"
#include "tests/golden/compare.h"
#include "tests/golden/json.h"

namespace tessera::golden {

struct RegionCase {
  std::filesystem::path directory;
  nlohmann::json config = read_json(directory / "config.json");  // its member "config" with layer_norm_eps
  SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  Comparison comparison{directory};

  explicit RegionCase(std::filesystem::path from);

  // The first lengths[i] entries of row i of `name` [B, N, ...], one sample after another; integers stay integers.
  Tensor packed(const std::string& name, const std::vector<int64_t>& lengths, DType dtype) const;
  // The same, a list for each sample.
  std::vector<std::vector<int64_t>> lists(const std::string& name, const std::vector<int64_t>& lengths) const;
  std::vector<int64_t> lengths(const std::string& name) const { return file.at(name).to_vector<int64_t>(); }

  void compare(const std::string& name, const Variable& value) {
    comparison.compare(name, value.value(), file.at(name));
  }
  // A state in memory under the names of files.
  using FileViews = std::map<std::string, Tensor> (*)(const std::map<std::string, Tensor>&);
  // model.safetensors, of which every tensor must be the model's, and the other way round.
  void load(ParameterSet& parameters, FileViews views_of) const;
  void compare_gradients(ParameterSet& parameters, FileViews views_of);
};

// 0, and where each sequence ends.
Tensor marks_of(const std::vector<int64_t>& lengths);
// 0 .. length - 1 of each sequence.
Tensor places_of(const std::vector<int64_t>& lengths);
// The table with a first row that gets no gradient (torch's padding_idx 0).
Variable with_constant_first_row(const Variable& table);

}  // namespace tessera::golden

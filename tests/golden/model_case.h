// A golden directory of a whole model: config.json, model.safetensors, case.safetensors.
#pragma once

#include <filesystem>
#include <string>

#include "autograd/variable.h"
#include "io/safetensors.h"
#include "tests/golden/compare.h"
#include "tests/golden/json.h"

namespace tessera::golden {

struct ModelCase {
  nlohmann::json config;
  NamedTensors weights;
  SafeTensors file;
  Comparison comparison;

  explicit ModelCase(const std::filesystem::path& directory)
      : config(read_json(directory / "config.json")),
        weights(load_safetensors((directory / "model.safetensors").string()).tensors),
        file(load_safetensors((directory / "case.safetensors").string())),
        comparison(directory) {}

  void compare(const std::string& name, const Tensor& got) { comparison.compare(name, got, file.at(name)); }
  void compare(const std::string& name, const Variable& got) { compare(name, got.value()); }
};

}  // namespace tessera::golden

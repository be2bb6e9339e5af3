// Features of pictures that were computed before: a safetensors file with a tensor `vectors` (or `features`), f32
// [pictures, size], whose metadata have under "pictures" a JSON list with the pictures' names, or objects with a
// "name", in its order. `vilt embed --images FOLDER` writes such a file; names are relative to the folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "tensor/tensor.h"

namespace tessera {

class StoredFeatures {
 public:
  // Errors name the file: a tensor or list that is missing or of another size, a name that is there twice.
  StoredFeatures(const std::filesystem::path& file, std::filesystem::path image_folder);
  int64_t size() const { return features_.size(1); }
  // Appends those of a picture in the folder; none are an error that names it.
  void append(const std::filesystem::path& picture, std::vector<float>& out) const;

 private:
  std::string name_;
  std::filesystem::path folder_;
  Tensor features_;
  std::unordered_map<std::string, int64_t> rows_;
};

}  // namespace tessera

// A trained VSE++ for use: its folder, and texts and pictures as vectors.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/pictures.h"
#include "models/vse/model.h"
#include "models/vse/words.h"

namespace tessera {

// config.json, model.safetensors, preprocessor_config.json (models/parts/whole_pictures.h) and words.txt.
struct LoadedVse {
  std::filesystem::path directory;
  std::unique_ptr<Vse> model;
  std::unique_ptr<ParameterSet> parameters;
  std::unique_ptr<VseWords> words;
  PictureOptions pictures;

  // [texts, embed] and [pictures, embed], f32.
  Tensor texts(const std::vector<std::string>& texts) const;
  Tensor images(const std::vector<std::filesystem::path>& pictures) const;
};

// Whether `path` is a folder of VSE++'s, or a run's whose newest checkpoint is one: by its config.json.
bool is_vse(const std::filesystem::path& path);
// Strict: where a tensor is missing, unexpected or misshaped nothing is loaded. Errors name the file.
LoadedVse load_vse(const std::filesystem::path& path);

}  // namespace tessera

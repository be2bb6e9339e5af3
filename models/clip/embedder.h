// CLIP's two towers in use: texts and pictures as vectors of unit length, whose products are cosines.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/images/centre_crop.h"
#include "data/text/byte_pair.h"
#include "models/clip/load.h"

namespace tessera {

struct EmbedderOptions {
  ClipLoadOptions load;
  DType activations = DType::f32;  // nn/precision.h
  bool truncate = false;           // texts that are too long are cut; else they are an error
};

// The numbers that the picture tower reads.
struct PreparedPicture {
  Grid grid;                  // of patches, of a picture that stays whole
  std::vector<float> values;  // [3, side, side] of one that was cropped; else rows of patches (PatchRows)
};

class ClipEmbedder {
 public:
  // `path` as load_clip's. A vocabulary that has another number of tokens than the model is an error.
  ClipEmbedder(const std::filesystem::path& path, const EmbedderOptions& options);

  const Clip& model() const { return *clip_.model; }
  const std::string& source() const { return clip_.source; }
  const CropPreparation& preparation() const { return clip_.preparation; }

  // [texts, projection], f32. Needs a vocabulary.
  Tensor texts(const std::vector<std::string>& texts) const;

  // Errors name the file. Thread-safe.
  PreparedPicture prepared(const std::filesystem::path& picture) const;
  // [pictures, projection], f32, of such.
  Tensor pictures(const std::vector<PreparedPicture>& prepared) const;
  // By what the model is known again: a checksum of its parameters and what prepares pictures.
  std::string fingerprint() const;

 private:
  Tensor on_host_unit(const Variable& features) const;

  EmbedderOptions options_;
  LoadedClip clip_;
  std::optional<BytePair> vocabulary_;
};

}  // namespace tessera

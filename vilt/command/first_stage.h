// The first stage of ranking by a model of two towers: a CLIP or VSE++ that has been trained here, or a CLIP as it was
// published.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace tessera::command {

struct TwoTowers {
  std::string described;  // "CLIP, runs/scenes-clip"
  // Of some texts, or pictures, a vector each: f32 [n, size] on the CPU.
  std::function<Tensor(const std::vector<std::string>& texts)> texts;
  std::function<Tensor(const std::vector<std::filesystem::path>& pictures)> pictures;
  // [pictures, size] and [texts, size] → [pictures, texts].
  std::function<Tensor(const Tensor& pictures, const Tensor& texts)> similarity;
};

// The model in the directory `place`: a run, a checkpoint, or CLIP's weights as they were published; any other
// directory is an error. Nothing where it is none: a file is one of scores (vilt/ranking/score_file.h).
std::optional<TwoTowers> two_towers(const std::filesystem::path& place);

// The scores of all pairs: f32 [pictures, texts]. Each picture and each text is computed once.
Tensor tower_scores(const TwoTowers& towers, const std::vector<std::filesystem::path>& pictures,
                    const std::vector<std::string>& texts);

}  // namespace tessera::command

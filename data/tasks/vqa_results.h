// Predictions for the evaluation server of VQA (https://eval.ai): [{"question_id": 1, "answer": "yes"}, …].
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace tessera {

struct VqaPrediction {
  int64_t question_id = 0;
  std::string answer;
};

// As the server takes it: one prediction a question, and no question twice, which is an error.
std::string vqa_results_json(std::span<const VqaPrediction> predictions);
// The same into a file, whole or not at all.
void write_vqa_results(const std::filesystem::path& file, std::span<const VqaPrediction> predictions);

}  // namespace tessera

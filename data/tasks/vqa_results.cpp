#include "data/tasks/vqa_results.h"

#include <nlohmann/json.hpp>

#include "data/sets/id_index.h"
#include "io/files.h"
#include "tensor/error.h"

namespace tessera {

std::string vqa_results_json(std::span<const VqaPrediction> predictions) {
  using nlohmann::json;
  IdIndex seen;
  std::string out = "[";
  for (const auto& [id, answer] : predictions) {
    check(id >= 0 && seen.insert(id, 0), "VQA results: question_id ", id,
          id < 0 ? ", expected 0 or more" : " is predicted twice");
    // Server and readers know UTF-8 alone; what is none becomes U+FFFD.
    const std::string quoted = json(answer).dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace);
    out += text(out.size() > 1 ? ",\n " : "", R"({"question_id": )", id, R"(, "answer": )", quoted, "}");
  }
  return out + "]\n";
}

void write_vqa_results(const std::filesystem::path& file, std::span<const VqaPrediction> predictions) {
  write_file_atomically(file, vqa_results_json(predictions));
}

}  // namespace tessera

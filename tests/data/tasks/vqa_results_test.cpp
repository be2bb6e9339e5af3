#include "data/tasks/vqa_results.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "io/files.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::vqa_results_test {

TEST_CASE("VQA results: as the evaluation server reads them") {
  const std::vector<VqaPrediction> predictions = {{42000, "yes"}, {7, "a \"b\"\n\u00e9"}, {0, "\xff"}};
  const tests::TemporaryDirectory folder;
  const auto file = folder.path() / "results.json";
  write_vqa_results(file, predictions);
  const nlohmann::json read = nlohmann::json::parse(read_file(file));
  const nlohmann::json expected = nlohmann::json::parse(
      R"([{"question_id": 42000, "answer": "yes"}, {"question_id": 7, "answer": "a \"b\"\né"},
          {"question_id": 0, "answer": "\ufffd"}])");
  CHECK(read == expected);
  CHECK(vqa_results_json({}) == "[]\n");
}

TEST_CASE("VQA results: a question is predicted once") {
  const std::vector<VqaPrediction> twice = {{3, "yes"}, {4, "no"}, {3, "no"}};
  CHECK(tests::lacking(tests::error_of([&] { vqa_results_json(twice); }), {"question_id 3 is predicted twice"}) == "");
  const std::vector<VqaPrediction> negative = {{-3, "yes"}};
  CHECK(tests::lacking(tests::error_of([&] { vqa_results_json(negative); }), {"-3", "0 or more"}) == "");
}

}  // namespace tessera::vqa_results_test

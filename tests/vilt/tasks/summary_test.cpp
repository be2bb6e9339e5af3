#include "vilt/tasks/summary.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::summary_test {
namespace {

using nlohmann::json;
using tests::error_of;
using tests::lacking;

const char* const kKeys[] = {
    "itm_accuracy_random",      "itm_accuracy_hard",  "itm_accuracy_hard_by_kind", "mlm_accuracy_content",
    "mlm_accuracy_wrong_image", "pointing_attention", "pointing_own_over_other",   "pointing_plan",
    "pointing_plan_training",   "pointing_chance"};

Summary example() {
  Evaluation e;
  e.samples = 40;
  e.itm_accuracy_random = 0.975;
  e.itm_accuracy_hard = 1.0 / 3;
  e.itm_accuracy_hard_by_kind = {{"colour", 0.9}, {"shape", 0.8}};
  e.mlm_accuracy_content = 0.95;
  e.mlm_accuracy_content_by_kind = {{"colour", 0.5}};
  e.pointing_attention = 0.9;
  e.pointing_attention_by_layer = {0.1, 0.9};
  e.content_words = 100;
  e.pointed_words = 60;
  Summary summary;
  summary.blocks["test"] = e;
  Evaluation shuffled;
  shuffled.pointing_chance = 0;
  summary.blocks["shuffled_caption"] = shuffled;
  summary.train_seconds = 12.5;
  summary.steps = 800;
  summary.parameters = 12345;
  return summary;
}

}  // namespace

TEST_CASE("summary.json has every key, null where there is no figure") {
  const json in = json::parse(summary_json(example()));
  CHECK(in["train_seconds"] == 12.5);
  CHECK(in["steps"] == 800);
  CHECK(in["parameters"] == 12345);
  CHECK(in["untrained"].is_null());
  CHECK(in["test_unseen"].is_null());
  for (const char* name : {"test", "shuffled_caption"})
    for (const char* key : kKeys) {
      CAPTURE(key);
      CHECK(in[name].contains(key));
    }
  CHECK(in["test"]["itm_accuracy_random"] == 0.975);
  CHECK(in["test"]["itm_accuracy_hard_by_kind"]["shape"] == 0.8);
  CHECK(in["test"]["pointing_plan"].is_null());
  CHECK(in["shuffled_caption"]["pointing_chance"] == 0.0);
  for (const char* key :
       {"itm_accuracy_random", "itm_accuracy_hard", "itm_accuracy_hard_by_kind", "mlm_accuracy_content"})
    CHECK(in["shuffled_caption"][key].is_null());
}

TEST_CASE("A summary survives its file") {
  const tests::TemporaryDirectory directory;
  const Summary read = read_summary(directory.write("summary.json", summary_json(example())));
  CHECK(summary_json(read) == summary_json(example()));
  CHECK(read.blocks.at("test").itm_accuracy_hard == 1.0 / 3);
  CHECK_FALSE(read.blocks.at("test").pointing_plan);
  CHECK_FALSE(read.blocks.contains("untrained"));
  CHECK(json::parse(evaluation_json(example().blocks["test"]))["samples"] == 40);
}

TEST_CASE("An evaluation's figures by their names, without those that were not measured") {
  Evaluation evaluation = example().blocks["test"];
  evaluation.pictures_left_out = 0;
  const NamedFigures figures = named_figures(evaluation);
  const NamedFigures expected{{"samples", 40},
                              {"itm_accuracy_random", 0.975},
                              {"itm_accuracy_hard", 1.0 / 3},
                              {"mlm_accuracy_content", 0.95},
                              {"pointing_attention", 0.9},
                              {"itm_accuracy_hard_by_kind/colour", 0.9},
                              {"itm_accuracy_hard_by_kind/shape", 0.8},
                              {"mlm_accuracy_content_by_kind/colour", 0.5},
                              {"pointing_attention_by_layer/1", 0.1},
                              {"pointing_attention_by_layer/2", 0.9},
                              {"content_words", 100},
                              {"pointed_words", 60}};
  CHECK(figures == expected);
  evaluation.pictures_left_out = 3;
  CHECK(named_figures(evaluation)[1] == std::pair<std::string, double>{"pictures left out", 3});
}

TEST_CASE("Files that are no summary are errors that name them") {
  const tests::TemporaryDirectory directory;
  const auto error = [&](const char* contents) {
    return error_of([&] { read_summary(directory.write("summary.json", contents)); });
  };
  CHECK(lacking(error("[]"), {"summary.json: not a JSON object"}) == "");
  CHECK(lacking(error("{\"test\": "), {"summary.json: not a JSON object"}) == "");
  CHECK(lacking(error("{}"), {"summary.json: ", "train_seconds"}) == "");
  CHECK(lacking(error(R"({"train_seconds": 1, "steps": "many", "parameters": 1})"), {"summary.json: ", "number"}) ==
        "");
  CHECK(
      lacking(
          error(
              R"({"test": {"itm_accuracy_hard_by_kind": {"colour": "x"}}, "train_seconds": 1, "steps": 1, "parameters": 1})"),
          {"summary.json: "}) == "");
  CHECK(lacking(error_of([&] { read_summary(directory.path() / "none.json"); }), {"none.json"}) == "");
}

}  // namespace tessera::summary_test

#include "data/tasks/nlvr2.h"

#include <doctest/doctest.h>

#include <cmath>

#include "data/tasks/nlvr2_metrics.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::nlvr2_test {
namespace {

using tests::error_of;
using tests::lacking;

std::string row(const std::string& identifier, const std::string& label = "\"True\"",
                const std::string& more = "\"directory\": 3", const std::string& sentence = "Two dogs.") {
  return R"({"sentence": ")" + sentence + R"(", "identifier": ")" + identifier + R"(", "label": )" + label +
         (more.empty() ? "" : ", " + more) + "}\n";
}

Nlvr2Data parsed(const std::string& lines, int64_t max_left_out = 0) {
  return parse_nlvr2(lines, "rows.json", "nlvr2", {.check_files = false, .max_left_out = max_left_out});
}

std::vector<Nlvr2Example> examples_of(const std::vector<std::pair<std::string, bool>>& labels) {
  std::vector<Nlvr2Example> examples;
  for (const auto& [identifier, label] : labels) examples.push_back({identifier, "s", {}, label});
  return examples;
}

}  // namespace

TEST_CASE("NLVR2: training pictures lie in numbered folders, others in their split's") {
  const Nlvr2Data data = parsed("\xef\xbb\xbf" + row("train-4768-0-2") + "\n \r\n" +
                                row("dev-850-1-0", "\"False\"", "") + row("test1-1-0-0"));
  REQUIRE(data.examples.size() == 3);
  CHECK(data.examples[0].identifier == "train-4768-0-2");
  CHECK(data.examples[0].sentence == "Two dogs.");
  CHECK(data.examples[0].label);
  CHECK(data.examples[0].images[0] == "nlvr2/images/train/3/train-4768-0-img0.png");
  CHECK(data.examples[0].images[1] == "nlvr2/images/train/3/train-4768-0-img1.png");
  CHECK_FALSE(data.examples[1].label);
  CHECK(data.examples[1].images[1] == "nlvr2/dev/dev-850-1-img1.png");
  CHECK(data.examples[2].images[0] == "nlvr2/test1/test1-1-0-img0.png");
  CHECK(data.left_out.count == 0);
}

TEST_CASE("NLVR2: a damaged line is left out by name, and too many are an error that lists them") {
  const std::string lines = row("train-1-0-0") + row("train-1-0-1", "\"maybe\"") + row("train-1") +
                            row("train-1-0-3", "\"True\"", "") + "{not json\n" + row("train-1-0-0") +
                            row("train-1-0-4", "true") + row("train-1-0-5", "\"True\"", "\"directory\": -1") +
                            row("../../x-1-0-0") + row("train-1-0-0-0") + row("train--0-0") +
                            row("train-1-0-6", "\"True\"", "\"directory\": 3", "");
  const Nlvr2Data data = parsed(lines, 11);
  CHECK(data.examples.size() == 1);
  CHECK(data.left_out.count == 11);
  REQUIRE(data.left_out.reasons.size() == 10);
  const auto reason = [&](size_t i, std::initializer_list<const char*> parts) {
    CHECK(lacking(data.left_out.reasons[i], parts) == "");
  };
  reason(0, {"NLVR2: rows.json: line 2:", "'maybe'", "True or False"});
  reason(1, {"line 3:", "'train-1'", "split-set-pair-sentence"});
  reason(2, {"line 4:", "'directory' is missing"});
  reason(3, {"line 5:", "not valid JSON"});
  reason(4, {"line 6:", "an earlier line", "'train-1-0-0'"});
  reason(5, {"line 7:", "'label' is a boolean"});
  reason(6, {"line 8:", "'directory' is -1"});
  reason(7, {"line 9:", "'../../x-1-0-0'"});
  reason(8, {"line 10:", "'train-1-0-0-0'"});
  reason(9, {"line 11:", "'train--0-0'"});
  CHECK(lacking(error_of([&] { parsed(lines, 10); }),
                {"11 of 12 lines cannot be used", "line 2:", "line 11:", "at most 10 may be left out"}) == "");
  CHECK(lacking(error_of([&] { parsed(row("train-1-0-0") + row("train-1-0-1", "\"maybe\"")); }),
                {"line 2:", "'maybe'"}) == "");
  CHECK(lacking(error_of([] { parsed("\n\n"); }), {"rows.json holds no statement"}) == "");
  CHECK(lacking(error_of([] { parsed(row("train-1-0-0") + std::string((1 << 20) + 1, 'x'), 9); }),
                {"rows.json: line 2", "more than 1048576 bytes"}) == "");
}

TEST_CASE("NLVR2: pictures are found in several folders; a pair that is not whole is left out") {
  for (const char* within : {"images/train/3/", "train/3/", "images/train/", "train/", ""}) {
    CAPTURE(within);
    const tests::TemporaryDirectory folder;
    for (const char* image : {"train-1-0-img0.png", "train-1-0-img1.png", "train-2-0-img1.png"})
      folder.write(text(within, image), "");
    const auto file = folder.write("rows.json", row("train-1-0-0") + row("train-2-0-0"));
    const Nlvr2Data data = read_nlvr2(file, folder.path(), {.max_left_out = 1});
    REQUIRE(data.examples.size() == 1);
    CHECK(data.examples[0].images[1] == folder.path() / within / "train-1-0-img1.png");
    CHECK(lacking(data.left_out.reasons.at(0), {"line 2", "images/train/3/train-2-0-img0.png is not there"}) == "");
    CHECK_THROWS_AS(read_nlvr2(file, folder.path()), Error);
  }
  const tests::TemporaryDirectory folder;
  folder.write("images/dev/dev-1-0-img0.png", "");
  folder.write("images/dev/dev-1-0-img1.png", "");
  const auto file = folder.write("rows.json", row("dev-1-0-0", "\"True\"", ""));
  CHECK(read_nlvr2(file, folder.path()).examples[0].images[0] == folder.path() / "images/dev/dev-1-0-img0.png");
}

TEST_CASE("NLVR2: accuracy, and consistency over the pairs of a sentence") {
  const std::vector<Nlvr2Example> examples = examples_of({{"dev-1-0-0", true},
                                                          {"dev-1-1-0", false},
                                                          {"dev-1-0-1", true},    // another sentence
                                                          {"dev-11-0-0", true},   // another set
                                                          {"test1-1-0-0", true},  // another split
                                                          {"dev-1-2-0", true}});
  const Nlvr2Score score = nlvr2_score(examples, {true, false, true, true, false, false});
  CHECK(score.right == 4);
  CHECK(score.rows == 6);
  CHECK(score.accuracy() == doctest::Approx(4. / 6));
  CHECK(score.groups == 4);
  CHECK(score.consistent == 2);
  CHECK(score.consistency() == 0.5);
  CHECK(nlvr2_score(examples, {true, false, true, true, true, true}).consistency() == 1);
  CHECK(nlvr2_score({}, std::vector<bool>{}).accuracy() == 0);
  CHECK_THROWS_AS(nlvr2_score(examples, {true}), Error);
}

TEST_CASE("NLVR2: predictions by identifier") {
  const std::vector<Nlvr2Example> examples = examples_of({{"dev-1-0-0", true}, {"dev-2-0-0", false}});
  const auto read = [](std::string_view lines) { return parse_nlvr2_predictions(lines, "said.csv"); };
  const Nlvr2Predictions said =
      read("identifier,prediction\ndev-1-0-0,False\n dev-2-0-0 , FALSE \r\n\ndev-9-0-0,True\ndev-1-0-0,true,0.7");
  CHECK(said.size() == 3);
  CHECK(nlvr2_score(examples, said).right == 2);
  CHECK(lacking(error_of([&] { nlvr2_score(examples, read("dev-1-0-0,True")); }), {"no prediction for dev-2-0-0"}) ==
        "");
  CHECK(lacking(error_of([&] { read("dev-1-0-0,True\ndev-2-0-0,yes"); }), {"said.csv: line 2", "'yes'"}) == "");
  CHECK(lacking(error_of([&] { read("dev-1-0-0 True"); }), {"said.csv: line 1", "identifier,prediction"}) == "");
  CHECK(lacking(error_of([&] { read(" ,True"); }), {"line 1", "identifier,prediction"}) == "");
  CHECK(lacking(error_of([&] { read("dev-1-0-0,"); }), {"line 1", "True or False"}) == "");
}

TEST_CASE("NLVR2: the larger logit is the answer, of equal ones False; NaN is none") {
  CHECK(nlvr2_says_true(0.1, 0.2));
  CHECK_FALSE(nlvr2_says_true(0.2, 0.1));
  CHECK_FALSE(nlvr2_says_true(0.2, 0.2));
  CHECK_THROWS_AS(nlvr2_says_true(NAN, 0.2), Error);
}

}  // namespace tessera::nlvr2_test

// data/formats/nlvr2 with data/formats/bad/nlvr2 beside it, and data/nlvr2_metrics.
#include <map>
#include <set>

#include "data/tasks/nlvr2.h"
#include "data/tasks/nlvr2_metrics.h"
#include "io/safetensors.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json as_json(const Nlvr2Example& example, const fs::path& images) {
  json pictures = json::array();
  for (const std::string& image : example.images)
    pictures.push_back(fs::path(image).lexically_relative(images).generic_string());
  return {{"split", nlvr2_identifier_parts(example.identifier)[0]},
          {"identifier", example.identifier},
          {"sentence", example.sentence},
          {"label", example.label},
          {"images", pictures}};
}

std::string error_of_reading(const std::function<void()>& read) {
  try {
    read();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// The lines that may be used, and those that may not.
size_t compare_bad(const fs::path& bad) {
  if (!fs::exists(bad / "manifest.json")) return 0;
  const json manifest = read_json(bad / "manifest.json");
  size_t lines = 0;
  for (const json& row : manifest.at("files")) {
    const std::string name = row.at("file");
    if (!name.starts_with("nlvr2/")) continue;
    const int64_t many = 1'000'000;
    const Nlvr2Data data = read_nlvr2(bad / name, "/", {.check_files = false, .max_left_out = many});
    for (const json& line : row.at("lines")) {
      const bool refused =
          std::any_of(data.left_out.reasons.begin(), data.left_out.reasons.end(), [&](const std::string& reason) {
            return reason.find(text("line ", line.at("line").get<int64_t>(), ":")) != std::string::npos;
          });
      check(refused != line.at("accept").get<bool>(), name, ": line ", line.dump(),
            refused ? " was refused" : " was used");
      lines += 1;
    }
    const std::string message = error_of_reading([&] { read_nlvr2(bad / name, "/", {.check_files = false}); });
    check(data.left_out.count == 0 || message.find("lines cannot be used") != std::string::npos, name, ": ", message);
  }
  return lines;
}

void compare_score(const Nlvr2Score& got, const json& expected, const std::string& what) {
  const json score = {{"right", got.right},           {"rows", got.rows},     {"accuracy", got.accuracy()},
                      {"consistent", got.consistent}, {"groups", got.groups}, {"consistency", got.consistency()}};
  for (const auto& [field, value] : score.items())
    check(value == expected.at(field), what, ": ", field, " is ", value.dump(), ", expected ",
          expected.at(field).dump());
}

}  // namespace

Outcome run_nlvr2_format(const fs::path& directory) {
  const json expected = read_json(directory / "expected.json");
  const bool pictures = fs::is_directory(directory / "dev");  // copies may leave them out
  std::map<std::string, json> records;
  for (const json& record : expected.at("records")) records[record.at("identifier")] = record;
  std::set<std::string> found;
  for (const auto& [name, count] : expected.at("files").items()) {
    const Nlvr2Data data = read_nlvr2(directory / "nlvr2" / name, directory, {.check_files = pictures});
    check(data.examples.size() == count.get<size_t>(), name, ": ", data.examples.size(), " examples, expected ",
          count.dump());
    for (const Nlvr2Example& example : data.examples) {
      const json got = as_json(example, directory);
      check(got == records[example.identifier], name, ": ", got.dump(), ", expected ",
            records[example.identifier].dump());
      found.insert(example.identifier);
    }
  }
  check(found.size() == expected.at("examples").get<size_t>(), found.size(), " examples");
  const size_t lines = compare_bad(directory / "../bad");
  return {true, text(expected.at("files").size(), " files, ", found.size(), " examples, ", lines,
                     " good and damaged lines told apart")};
}

Outcome run_nlvr2_metrics(const fs::path& directory) {
  const json expected = read_json(directory / "expected.json");
  std::map<std::string, std::vector<Nlvr2Example>> subsets;
  for (const char* subset : {"all", "balanced"})
    subsets[subset] = read_nlvr2(directory / text(subset, ".jsonl"), "/", {.check_files = false}).examples;
  for (const auto& [name, scores] : expected.at("files").items()) {
    const Nlvr2Predictions predictions = read_nlvr2_predictions(directory / name);
    for (const auto& [subset, examples] : subsets) {
      if (!scores.contains("error")) {
        compare_score(nlvr2_score(examples, predictions), scores.at(subset), name + " " + subset);
        continue;
      }
      const bool complete = std::all_of(examples.begin(), examples.end(), [&](const Nlvr2Example& example) {
        return predictions.contains(example.identifier);
      });
      const std::string message = error_of_reading([&] { nlvr2_score(examples, predictions); });
      check(complete || message.find(scores.at("error").get<std::string>()) != std::string::npos, name, " ", subset,
            ": ", message);
    }
  }
  const Tensor logits = load_safetensors((directory / "logits.safetensors").string()).at("logits").to(DType::f64);
  std::vector<bool> said;
  for (int64_t i = 0; i < logits.size(0); ++i)
    said.push_back(nlvr2_says_true(logits.data<double>()[2 * i], logits.data<double>()[2 * i + 1]));
  compare_score(nlvr2_score(subsets["all"], said), expected.at("from_logits"), "logits");
  return {true, text(expected.at("files").size(), " files of predictions and logits, ", subsets["all"].size(),
                     " statements")};
}

}  // namespace tessera::golden

// data/formats/vqa, and data/formats/bad/vqa beside it: VQAv2's files, and damaged ones.
#include <map>
#include <set>

#include "data/tasks/normalise_answer.h"
#include "data/tasks/vqa_files.h"
#include "tests/golden/answer_table.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

VqaFiles files_of(const fs::path& directory, const std::string& split) {
  static const std::map<std::string, std::string> kParts = {
      {"train", "train2014"}, {"val", "val2014"}, {"test", "test2015"}, {"test-dev", "test-dev2015"}};
  const std::string& part = kParts.at(split);
  VqaFiles files{directory / ("v2_OpenEnded_mscoco_" + part + "_questions.json"), {}, directory};
  if (split == "train" || split == "val") files.annotations = directory / ("v2_mscoco_" + part + "_annotations.json");
  return files;
}

// The number in the name of a picture, COCO_train2014_000000000042.jpg.
int64_t number_of(const VqaQuestion& question) {
  const std::string name = fs::path(question.image).stem().string();
  return std::stoll(name.substr(name.rfind('_') + 1));
}

void compare_targets(const json& expected, const std::map<std::string, std::vector<VqaQuestion>>& splits) {
  const auto least = expected.at("least").get<int64_t>();
  AnswerCounts counts;
  for (const char* split : {"train", "val"}) counts.add(splits.at(split));
  const AnswerTable table = table_or_none(counts, least);
  check(json(table.answers()) == expected.at("answers"), "threshold ", least, ": the answers are ",
        json(table.answers()).dump());
  json kept = json::object();
  for (const char* split : {"train", "val"})
    for (const VqaQuestion& question : splits.at(split)) {
      json row = {{"split", split}, {"question", question.question}, {"labels", json::array()}};
      for (const auto& [label, score] : soft_targets(table, question)) {
        row["labels"].push_back(label);
        row["scores"].push_back(score);
      }
      if (!row["labels"].empty()) kept[std::to_string(question.id)] = row;
    }
  check(kept == expected.at("kept"), "threshold ", least, ": the targets are ", kept.dump());
}

// What the error says of each reason in the manifest.
std::string words_for(const std::string& reason) {
  static const std::map<std::string, std::string> kWords = {{"unknown id", "has no question with this question_id"},
                                                            {"missing annotation", "have no annotation"},
                                                            {"duplicate", "an earlier annotation"},
                                                            {"wrong id", "field 'image_id' is"},
                                                            {"no answer", "field 'answers' is empty"}};
  const auto found = kWords.find(reason);
  return found == kWords.end() ? "" : found->second;
}

size_t refuse_bad(const fs::path& bad, const VqaFiles& good) {
  if (!fs::exists(bad / "manifest.json")) return 0;
  const json manifest = read_json(bad / "manifest.json");
  size_t refused = 0;
  for (const json& row : manifest.at("files")) {
    const std::string name = row.at("file");
    if (!name.starts_with("vqa/")) continue;
    check(row.at("verdict") == "reject", name, ": an unknown verdict");
    const std::string words = words_for(row.at("reason"));
    std::string message = "it was read";
    try {
      read_vqa({good.questions, bad / name, good.images}, {.check_files = false});
    } catch (const Error& error) {
      message = error.what();
    }
    check(message.find(words) != std::string::npos && message.find(name) != std::string::npos, name, " (",
          row.at("reason").dump(), "): ", message);
    ++refused;
  }
  return refused;
}

}  // namespace

Outcome run_vqa_format(const fs::path& directory) {
  const json expected = read_json(directory / "expected.json");
  std::map<std::string, std::vector<VqaQuestion>> splits;
  size_t questions = 0;
  for (const auto& [split, count] : expected.at("questions").items()) {
    const VqaFiles files = files_of(directory, split);
    const bool pictures = fs::is_directory(directory / "train2014");  // copies may leave them out
    std::vector<VqaQuestion>& read = splits[split] = read_vqa(files, {.check_files = pictures}).questions;
    check(read.size() == count.get<size_t>(), split, ": ", read.size(), " questions, expected ", count.dump());
    std::set<int64_t> numbers;
    for (const VqaQuestion& question : read) numbers.insert(number_of(question));
    check(json(numbers) == expected.at("images").at(split), split, ": the pictures are ", json(numbers).dump());
    questions += read.size();
  }
  for (const json& targets : expected.at("targets")) compare_targets(targets, splits);
  for (const json& pair : expected.at("normalize_word"))
    check(normalise_answer(pair.at(0).get<std::string>()) == pair.at(1).get<std::string>(), pair.at(0).dump(), " gave ",
          json(normalise_answer(pair.at(0).get<std::string>())).dump(), ", expected ", pair.at(1).dump());
  const size_t refused = refuse_bad(directory / "../bad", files_of(directory, "train"));
  return {true, text(questions, " questions, ", expected.at("targets").size(), " answer tables, ", refused,
                     " damaged files refused")};
}

}  // namespace tessera::golden

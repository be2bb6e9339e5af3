#include "data/scenes/scene_tasks.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "data/tasks/nlvr2.h"
#include "data/tasks/vqa_files.h"
#include "io/files.h"
#include "tests/tiny_scenes.h"

namespace tessera::scene_tasks_test {
namespace {

namespace fs = std::filesystem;
using Objects = std::vector<AnnotatedObject>;

const fs::path& folder() {
  static const fs::path tasks = [] {
    write_scene_tasks(tests::tiny_scenes().folder(), 0);
    return tests::tiny_scenes().folder() / "tasks";
  }();
  return tasks;
}

// The objects of each picture of the split, by the picture's bytes: pairs have copies under other names.
std::map<std::vector<uint8_t>, Objects> pictures_of(const std::string& split) {
  std::map<std::vector<uint8_t>, Objects> out;
  const Dataset dataset = tests::tiny_scenes().open(split);
  for (const DatasetImage& image : dataset.images())
    out[read_file(image.path())] = *dataset.annotation(image.first_sentence)->objects;
  return out;
}

bool shows(const Objects& objects, const std::string& word) {
  return std::any_of(objects.begin(), objects.end(), [&](const AnnotatedObject& object) {
    return object.attributes.at("colour") == word || object.attributes.at("shape") == word;
  });
}

// What a statement says, word by word.
bool holds(const std::string& statement, const Objects& left, const Objects& right) {
  std::vector<std::string> words;
  std::istringstream in(statement);
  for (std::string word; in >> word;) words.push_back(word);
  const auto has = [&](size_t word) { return std::pair(shows(left, words.at(word)), shows(right, words.at(word))); };
  const auto two = std::pair(left.size() == 2, right.size() == 2);
  if (words.back() == "shapes" && words[0] == "the") return left.size() == right.size();
  if (statement.starts_with("the left picture shows more")) return left.size() > right.size();
  if (statement.starts_with("the left picture")) return has(5).first && !has(5).second;
  if (statement.starts_with("there is something")) return has(3).second && has(10).first;
  const auto of = words.back() == "shapes" ? two : has(words.size() - 1);
  if (words[0] == "both") return of.first && of.second;
  REQUIRE(words[0] == "exactly");
  return of.first != of.second;
}

}  // namespace

TEST_CASE("Statements are as true as their labels say, half of each") {
  std::set<std::string> kinds;
  const auto pictures = pictures_of("train");
  const Nlvr2Data data = read_nlvr2(folder() / "nlvr2" / "train.json", folder() / "nlvr2", {});
  CHECK(data.examples.size() >= 36);
  std::map<std::string, int> balance;
  for (const Nlvr2Example& example : data.examples) {
    CAPTURE(example.sentence);
    const Objects &left = pictures.at(read_file(example.images[0])), &right = pictures.at(read_file(example.images[1]));
    CHECK(holds(example.sentence, left, right) == (example.label == 1));
    balance[example.sentence] += example.label == 1 ? 1 : -1;
  }
  for (const auto& [sentence, sum] : balance) CHECK(sum == 0);
}

TEST_CASE("Questions have the answers that the pictures give") {
  const std::string base = (folder() / "v2_OpenEnded_scenes_train_questions.json").string();
  const VqaData data =
      read_vqa({base, folder() / "v2_scenes_train_annotations.json", tests::tiny_scenes().folder() / "images"}, {});
  const auto pictures = pictures_of("train");
  std::map<std::string, int> seen;
  for (const VqaQuestion& question : data.questions) {
    CAPTURE(question.question);
    const Objects& objects = pictures.at(read_file(question.image));
    std::map<std::string, int> counts;
    for (const std::string& answer : question.answers) ++counts[answer];
    const auto most =
        std::max_element(counts.begin(), counts.end(), [](auto& a, auto& b) { return a.second < b.second; });
    CHECK(most->second >= 7);
    ++seen[question.answer_type];
    if (question.question.starts_with("how many")) CHECK(most->first == std::to_string(objects.size()));
    if (question.question.starts_with("what")) CHECK(shows(objects, most->first));
  }
  CHECK(seen.size() == 3);
}

}  // namespace tessera::scene_tasks_test

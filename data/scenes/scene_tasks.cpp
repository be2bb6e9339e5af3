#include "data/scenes/scene_tasks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "data/scenes/grammar.h"
#include "data/scenes/scenes.h"
#include "data/sets/dataset.h"
#include "io/files.h"
#include "io/printable.h"
#include "tensor/error.h"
#include "tensor/philox.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

enum TaskStream : uint64_t { kQuestionStream = 20, kPeopleStream, kStatementStream };

struct Thing {
  std::string colour, shape;
  double x = 0, y = 0;  // of its centre

  std::string words() const { return colour + " " + shape; }
  bool operator==(const Thing& other) const { return colour == other.colour && shape == other.shape; }
};
using Things = std::vector<Thing>;

Things things_of(const Dataset& dataset, const DatasetImage& image) {
  Things out;
  const Annotation* annotation = dataset.annotation(image.first_sentence);
  for (const AnnotatedObject& object : *annotation->objects)
    out.push_back({object.attributes.at("colour"), object.attributes.at("shape"), object.box[0] + object.box[2] / 2,
                   object.box[1] + object.box[3] / 2});
  return out;
}

template <class List>
auto pick(Random& random, const List& list) {
  return list[static_cast<size_t>(random.below(list.size()))];
}

std::string any_colour(Random& random) { return std::string(pick(random, scenes::kColours).name); }
std::string any_shape(Random& random) { return std::string(pick(random, scenes::kShapeNames)); }

std::string with_article(const std::string& words) { return (words.starts_with("o") ? "an " : "a ") + words; }

struct Asked {
  std::string question, answer, answer_type, question_type;
};

bool contains(const Things& things, const Thing& thing) {
  return std::find(things.begin(), things.end(), thing) != things.end();
}

// A combination that is not in the picture; where there are two things, often the colour of one with the shape of the
// other.
Thing absent(Random& random, const Things& things) {
  for (;;) {
    Thing thing = pick(random, things);
    const double kind = random.uniform();
    if (things.size() == 2 && kind < 0.4)
      thing = {things[0].colour, things[1].shape};
    else if (kind < 0.7)
      thing.colour = any_colour(random);
    else
      thing.shape = any_shape(random);
    if (!contains(things, thing)) return thing;
  }
}

Asked ask_yes_no(Random& random, const Things& things, bool yes) {
  if (things.size() == 2 && random.uniform() < 0.5) {
    const bool swapped = random.uniform() < 0.5;
    const Thing &a = things[swapped ? 1 : 0], &b = things[swapped ? 0 : 1];
    const bool across = std::abs(a.x - b.x) >= std::abs(a.y - b.y);
    const bool first = across ? a.x < b.x : a.y < b.y;  // a is left of b, or above it
    const char* side = across ? (first == yes ? "left of" : "right of") : (first == yes ? "above" : "below");
    return {"is the " + a.words() + " " + side + " the " + b.words() + "?", yes ? "yes" : "no", "yes/no", "is the"};
  }
  const Thing thing = yes ? pick(random, things) : absent(random, things);
  return {"is there " + with_article(thing.words()) + "?", yes ? "yes" : "no", "yes/no", "is there a"};
}

Asked ask(Random& random, const Things& things, int64_t kind) {
  const Thing& thing = things[static_cast<size_t>(random.below(things.size()))];
  switch (kind) {
    case 0: return {"what colour is the " + thing.shape + "?", thing.colour, "other", "what colour is the"};
    case 1: return {"what shape is " + thing.colour + "?", thing.shape, "other", "what shape is"};
    case 2: return {"how many shapes are there?", std::to_string(things.size()), "number", "how many"};
    default: return ask_yes_no(random, things, kind % 2 == 1);
  }
}

// What another person may have thought.
std::string mistaken(Random& random, const Asked& asked) {
  if (asked.answer_type == "yes/no") return asked.answer == "yes" ? "no" : "yes";
  if (asked.answer_type == "number") return std::to_string(1 + random.below(4));
  return asked.question_type == "what shape is" ? any_shape(random) : any_colour(random);
}

// Up to three of the ten are mistaken.
Json answers_of(Random& random, const Asked& asked) {
  const uint64_t mistakes = random.below(4);
  Json out = Json::array();
  for (uint64_t i = 0; i < 10; ++i)
    out.push_back({{"answer", i < mistakes ? mistaken(random, asked) : asked.answer},
                   {"answer_confidence", i < mistakes ? "maybe" : "yes"},
                   {"answer_id", i + 1}});
  return out;
}

void write_questions(const fs::path& folder, const std::string& split, const Dataset& dataset, uint64_t seed) {
  Json questions = Json::array(), annotations = Json::array();
  int64_t id = 0;
  for (size_t i = 0; i < dataset.images().size(); ++i) {
    const DatasetImage& image = dataset.images()[i];
    const Things things = things_of(dataset, image);
    // The number in the name, which counts within a split: that is how a picture of VQAv2 is found.
    const int64_t number = std::stoll(image.path().stem().string());
    Random random(seed, kQuestionStream, image.id);
    const auto first = static_cast<int64_t>(random.below(7));
    for (int64_t k = 0; k < 2; ++k, ++id) {
      const Asked asked = ask(random, things, (first + 3 * k) % 7);
      Random people(seed, kPeopleStream, image.id, k);
      questions.push_back({{"image_id", number}, {"question", asked.question}, {"question_id", id}});
      annotations.push_back({{"question_id", id},
                             {"image_id", number},
                             {"question_type", asked.question_type},
                             {"answer_type", asked.answer_type},
                             {"multiple_choice_answer", asked.answer},
                             {"answers", answers_of(people, asked)}});
    }
  }
  const Json of_questions = {{"data_subtype", split}, {"questions", std::move(questions)}};
  const Json of_annotations = {{"data_subtype", split}, {"annotations", std::move(annotations)}};
  write_file_atomically(folder / text("v2_OpenEnded_scenes_", split, "_questions.json"), of_questions.dump() + "\n");
  write_file_atomically(folder / text("v2_scenes_", split, "_annotations.json"), of_annotations.dump() + "\n");
}

// A statement about two pictures. What it says of them is a function of the things in them.
struct Statement {
  std::string sentence;
  std::function<bool(const Things& left, const Things& right)> holds;
};

// Whether two numbers are equal is hard to learn by itself: neither picture alone says anything about it. The others
// ask for the same counts.
Statement state_numbers(Random& random) {
  switch (random.below(4)) {
    case 0:
      return {"both pictures show two shapes",
              [](const Things& a, const Things& b) { return a.size() == 2 && b.size() == 2; }};
    case 1:
      return {"exactly one picture shows two shapes",
              [](const Things& a, const Things& b) { return (a.size() == 2) != (b.size() == 2); }};
    case 2:
      return {"the left picture shows more shapes than the right one",
              [](const Things& a, const Things& b) { return a.size() > b.size(); }};
    default:
      return {"the pictures show the same number of shapes",
              [](const Things& a, const Things& b) { return a.size() == b.size(); }};
  }
}

Statement state(Random& random) {
  const Thing thing{any_colour(random), any_shape(random)};
  const std::string colour = thing.colour, shape = thing.shape;
  const auto has_shape = [shape](const Things& things) {
    return std::any_of(things.begin(), things.end(), [&](const Thing& one) { return one.shape == shape; });
  };
  const auto has_colour = [colour](const Things& things) {
    return std::any_of(things.begin(), things.end(), [&](const Thing& one) { return one.colour == colour; });
  };
  switch (random.below(5)) {
    case 0:
      return {"both pictures show a " + shape,
              [=](const Things& a, const Things& b) { return has_shape(a) && has_shape(b); }};
    case 1:
      return {"exactly one picture shows a " + shape,
              [=](const Things& a, const Things& b) { return has_shape(a) != has_shape(b); }};
    case 2:
      return {"the left picture shows something " + colour + " and the right one does not",
              [=](const Things& a, const Things& b) { return has_colour(a) && !has_colour(b); }};
    case 3:
      return {"there is something " + colour + " in the right picture and a " + shape + " in the left one",
              [=](const Things& a, const Things& b) { return has_colour(b) && has_shape(a); }};
    default: return state_numbers(random);
  }
}

class StatementWriter {
 public:
  StatementWriter(const fs::path& folder, const std::string& split, const Dataset& dataset, uint64_t seed)
      : folder_(folder / split), split_(split), dataset_(dataset), seed_(seed) {
    for (const DatasetImage& image : dataset.images()) things_.push_back(things_of(dataset, image));
    fs::create_directories(folder_);
  }

  // Four lines for every statement.
  void write(int64_t statements) {
    std::string lines;
    for (int64_t set = 0; set < statements; ++set) {
      Random random(seed_, kStatementStream, set);
      const Statement statement = state(random);
      for (int64_t pair = 0; pair < 4; ++pair) {
        const bool truth = pair < 2;
        const auto found = draw_pair(random, statement, truth);
        if (!found) break;
        const std::string identifier = text(split_, "-", set, "-", pair);
        for (size_t side = 0; side < 2; ++side) link((*found)[side], identifier, side);
        lines += Json{{"identifier", identifier + "-0"},
                      {"directory", 0},  // of the training's pictures, which the published set divides
                      {"sentence", statement.sentence},
                      {"label", truth ? "True" : "False"}}
                     .dump() +
                 "\n";
      }
    }
    write_file_atomically(folder_.parent_path() / (split_ + ".json"), lines);
  }

 private:
  std::optional<std::array<size_t, 2>> draw_pair(Random& random, const Statement& statement, bool truth) const {
    for (int attempt = 0; attempt < 100'000; ++attempt) {
      const std::array<size_t, 2> pair{random.below(things_.size()), random.below(things_.size())};
      if (pair[0] != pair[1] && statement.holds(things_[pair[0]], things_[pair[1]]) == truth) return pair;
    }
    return std::nullopt;
  }

  void link(size_t image, const std::string& identifier, size_t side) const {
    const fs::path place = folder_ / text(identifier, "-img", side, ".jpg");
    const fs::path picture = dataset_.images()[image].path();
    std::error_code refused;
    fs::remove(place, refused);
    fs::create_hard_link(picture, place, refused);
    if (refused) fs::copy_file(picture, place);
  }

  fs::path folder_;
  std::string split_;
  const Dataset& dataset_;
  uint64_t seed_;
  std::vector<Things> things_;
};

}  // namespace

void write_scene_tasks(const fs::path& directory, uint64_t seed) try {
  const fs::path folder = directory / "tasks";
  fs::create_directories(folder / "nlvr2");
  for (const ScenesSplit split : kScenesSplits) {
    DatasetOptions options;
    options.splits = {std::string(name(split))};
    options.annotations = directory / "annotations.jsonl";
    const Dataset dataset = Dataset::open(directory / "dataset.json", directory / "images", options);
    write_questions(folder, std::string(name(split)), dataset, seed);
    const auto images = static_cast<int64_t>(dataset.images().size());
    StatementWriter(folder / "nlvr2", std::string(name(split)), dataset, seed)
        .write(split == ScenesSplit::train ? images / 4 : images / 8);
  }
} catch (const fs::filesystem_error& error) {
  fail("scenes: ", shown(error.path1()), ": ", error.code().message());
}

}  // namespace tessera

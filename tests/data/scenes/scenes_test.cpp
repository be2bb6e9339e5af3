#include "data/scenes/scenes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "data/text/vocabulary.h"
#include "data/text/wordpiece.h"
#include "tensor/error.h"

namespace tessera::scenes_test {

using scenes::Difference;
using scenes::Relation;
using scenes::SceneDescription;

namespace {

ScenesOptions options_of(ScenesKind kind, uint64_t seed = 0) {
  ScenesOptions options;
  options.kind = kind;
  options.seed = seed;
  return options;
}

constexpr std::array kKinds{ScenesKind::scenes, ScenesKind::quick};

template <class Check>
void for_scenes(int64_t count, const Check& check_scene) {
  for (const ScenesKind kind : kKinds)
    for (const ScenesSplit split : kScenesSplits)
      for (int64_t index = 0; index < count; ++index) {
        CAPTURE(name(kind));
        CAPTURE(name(split));
        CAPTURE(index);
        check_scene(generate_scene(options_of(kind), split, index), kind, split, index);
      }
}

std::string noun(const SceneDescription& scene, size_t i, bool article) {
  const auto& object = scene.objects[i];
  const std::string colour(scenes::kColours[static_cast<size_t>(object.colour)].name);
  const std::string shape(scenes::kShapeNames[static_cast<size_t>(object.shape)]);
  return (article ? colour == "orange" ? "an " : "a " : "") + colour + " " + shape;
}

// The grammar, written out once more.
std::string expected_caption(const SceneDescription& scene) {
  const bool article = scene.caption_template != 0;
  if (scene.objects.size() == 1) {
    const std::string start = scene.caption_template == 2 ? "there is " : "";
    if (!scene.relation) return start + noun(scene, 0, article);
    const std::map<Relation, std::string> sides{{Relation::left, " on the left"},
                                                {Relation::right, " on the right"},
                                                {Relation::above, " at the top"},
                                                {Relation::below, " at the bottom"}};
    return start + noun(scene, 0, article) + sides.at(*scene.relation);
  }
  const std::map<Relation, std::string> relations{{Relation::left, "left of "},
                                                  {Relation::right, "right of "},
                                                  {Relation::above, "above "},
                                                  {Relation::below, "below "}};
  const std::string relation = relations.at(scene.relation.value());
  if (scene.caption_template == 2) return relation + noun(scene, 1, true) + " is " + noun(scene, 0, true);
  return noun(scene, 0, article) + " " + relation + noun(scene, 1, article);
}

int differences(const SceneDescription& a, const SceneDescription& b, Difference kind) {
  REQUIRE(a.objects.size() == b.objects.size());
  int colours = 0, shapes = 0;
  for (size_t i = 0; i < a.objects.size(); ++i) {
    colours += a.objects[i].colour != b.objects[i].colour;
    shapes += a.objects[i].shape != b.objects[i].shape;
    CHECK(a.objects[i].large == b.objects[i].large);
  }
  if (kind == Difference::binding) {
    CHECK(a.objects.at(0).colour == b.objects.at(1).colour);
    CHECK(a.objects.at(1).colour == b.objects.at(0).colour);
    colours -= 1;  // one exchange changes two colours
  }
  return colours + shapes + (a.relation != b.relation);
}

}  // namespace

TEST_CASE("scenes: captions follow the grammar and spans mark the words they say") {
  std::set<std::string> templates;
  for_scenes(300, [&](const Scene& scene, ScenesKind kind, ScenesSplit, int64_t) {
    CHECK(scene.caption == expected_caption(scene.description));
    CHECK((scene.description.relation.has_value() == (kind == ScenesKind::scenes)));
    std::multiset<std::string> found, expected;
    for (const ContentWord& word : scene.content_words) {
      const std::string said =
          scene.caption.substr(static_cast<size_t>(word.begin), static_cast<size_t>(word.end - word.begin));
      CHECK((word.begin == 0 || scene.caption[static_cast<size_t>(word.begin) - 1] == ' '));
      CHECK((word.end == static_cast<int64_t>(scene.caption.size()) ||
             scene.caption[static_cast<size_t>(word.end)] == ' '));
      if (word.kind == "relation") {
        CHECK(word.object == -1);
        CHECK(std::set<std::string>{"left", "right", "above", "below", "top", "bottom"}.contains(said));
        continue;
      }
      found.insert(text(word.object, word.kind, said));
    }
    for (size_t i = 0; i < scene.description.objects.size(); ++i) {
      const auto& object = scene.description.objects[i];
      expected.insert(text(i, "colour", scenes::kColours[static_cast<size_t>(object.colour)].name));
      expected.insert(text(i, "shape", scenes::kShapeNames[static_cast<size_t>(object.shape)]));
    }
    CHECK(found == expected);
    CHECK(scene.content_words.size() == expected.size() + (kind == ScenesKind::scenes ? 1 : 0));
    templates.insert(text(scene.description.objects.size(), scene.description.caption_template));
  });
  CHECK(templates.size() == 6);
}

TEST_CASE("scenes: siblings differ in exactly one thing") {
  for_scenes(300, [](const Scene& scene, ScenesKind kind, ScenesSplit split, int64_t index) {
    if (index % 2 == 1) return;
    const Scene sibling = generate_scene(options_of(kind), split, index ^ 1);
    CHECK(scene.difference == sibling.difference);
    CHECK(differences(scene.description, sibling.description, scene.difference) == 1);
    if (scene.difference == Difference::relation)
      CHECK(sibling.description.relation == scenes::opposite(scene.description.relation.value()));
    CHECK(scene.image.pixels != sibling.image.pixels);
    CHECK((kind == ScenesKind::scenes || scene.description.objects.size() == 1));
  });
}

TEST_CASE("scenes: unseen combinations occur in test_unseen only") {
  CHECK(std::set(scenes::kUnseenColour.begin(), scenes::kUnseenColour.end()).size() == scenes::kShapeCount);
  int combinations = 0;
  for (int colour = 0; colour < scenes::kColourCount; ++colour)
    for (int shape = 0; shape < scenes::kShapeCount; ++shape)
      combinations += scenes::unseen_combination(colour, static_cast<scenes::Shape>(shape));
  CHECK(combinations == 5);

  std::set<std::pair<int, int>> seen, unseen;
  for_scenes(600, [&](const Scene& scene, ScenesKind kind, ScenesSplit split, int64_t index) {
    const bool expected = split == ScenesSplit::test_unseen && (kind == ScenesKind::scenes || index % 2 == 0);
    CHECK(scene.description.has_unseen_combination() == expected);
    const std::string size = scene.description.objects.size() == 1 ? "one_object" : "two_objects";
    CHECK(scene.group == (split != ScenesSplit::test_unseen || kind == ScenesKind::scenes ? size
                          : expected                                                      ? "unseen"
                                                                                          : "seen"));
    for (const auto& object : scene.description.objects)
      (scenes::unseen_combination(object.colour, object.shape) ? unseen : seen)
          .insert({object.colour, static_cast<int>(object.shape)});
  });
  // Of 600 scenes a split, none of the combinations is missing unless something is wrong: 35 e^(-600 / 35) < 1e-5.
  CHECK(seen.size() == 35);
  CHECK(unseen.size() == 5);
}

TEST_CASE("scenes: squares lie inside the picture, hold the object and stand in the relation that the caption names") {
  for_scenes(150, [](const Scene& scene, ScenesKind, ScenesSplit, int64_t) {
    const Image& image = scene.image;
    REQUIRE(image.pixels.size() == static_cast<size_t>(image.height) * image.width * 3);
    CHECK(std::any_of(scenes::kPictureSizes.begin(), scenes::kPictureSizes.end(), [&](const scenes::PictureSize& size) {
      return size.height == image.height && size.width == image.width;
    }));
    std::vector<uint8_t> inside(static_cast<size_t>(image.height) * image.width);
    std::vector<std::array<double, 2>> centres;
    for (size_t i = 0; i < scene.squares.size(); ++i) {
      const scenes::Square& square = scene.squares[i];
      const bool large = scene.description.objects[i].large;
      CHECK((square.side >= (large ? 28 : 16) && square.side <= (large ? 32 : 19)));
      REQUIRE((square.x >= 0 && square.y >= 0 && square.x + square.side <= image.width &&
               square.y + square.side <= image.height));
      centres.push_back({square.x + square.side / 2.0, square.y + square.side / 2.0});
      // The object's colour fills a part of its square: a sample, 15 for the object's own variation and 5 deviations of
      // the noise.
      const auto& rgb = scenes::kColours[static_cast<size_t>(scene.description.objects[i].colour)].rgb;
      int coloured = 0;
      for (int y = square.y; y < square.y + square.side; ++y)
        for (int x = square.x; x < square.x + square.side; ++x) {
          CHECK(inside[static_cast<size_t>(y) * image.width + x]++ == 0);  // squares do not overlap
          const uint8_t* pixel = image.row(y) + 3 * x;
          bool same = true;
          for (size_t c = 0; c < 3; ++c) same = same && std::abs(pixel[c] - rgb[c]) <= 15 + 15;
          coloured += same;
        }
      CHECK(coloured > square.side * square.side / 4);
    }
    // Outside the squares there is nothing but the dark background: 90 + 12 + 25 + 4 deviations of the noise (its bound
    // is 20.7).
    uint8_t brightest = 0;
    for (size_t p = 0; p < inside.size(); ++p)
      if (inside[p] == 0)
        for (size_t c = 0; c < 3; ++c) brightest = std::max(brightest, image.pixels[3 * p + c]);
    CHECK(brightest <= 90 + 12 + 25 + 21);

    if (!scene.description.relation) return;
    const Relation relation = *scene.description.relation;
    const size_t axis = relation == Relation::left || relation == Relation::right ? 0 : 1;
    const double length = axis == 0 ? image.width : image.height;
    const double sign = relation == Relation::left || relation == Relation::above ? 1 : -1;
    if (centres.size() == 1) {
      CHECK(sign * (length / 2 - centres[0][axis]) > 0.05 * length - 1e-9);
    } else {
      const double along = sign * (centres[1][axis] - centres[0][axis]);
      CHECK(along >= std::abs(centres[1][1 - axis] - centres[0][1 - axis]) + 6);
      CHECK((centres[0][axis] - length / 2) * (centres[1][axis] - length / 2) < 0);
    }
  });
}

TEST_CASE("scenes: a scene is a function of kind, seed, split and index") {
  const auto pixels = [](ScenesKind kind, uint64_t seed, ScenesSplit split, int64_t index) {
    return generate_scene(options_of(kind, seed), split, index).image.pixels;
  };
  const auto first = pixels(ScenesKind::scenes, 1, ScenesSplit::train, 6);
  CHECK(first == pixels(ScenesKind::scenes, 1, ScenesSplit::train, 6));
  CHECK(first != pixels(ScenesKind::scenes, 2, ScenesSplit::train, 6));
  CHECK(first != pixels(ScenesKind::scenes, 1, ScenesSplit::val, 6));
  CHECK(first != pixels(ScenesKind::quick, 1, ScenesSplit::train, 6));
  CHECK_THROWS_WITH_AS(generate_scene({}, ScenesSplit::train, -1), doctest::Contains("index is -1"), Error);
}

TEST_CASE("scenes: shares of object counts and differences") {
  constexpr int64_t kPairs = 1500;
  std::map<std::string, int64_t> counts;
  for (int64_t pair = 0; pair < kPairs; ++pair) {
    const Scene scene = generate_scene(options_of(ScenesKind::scenes), ScenesSplit::train, 2 * pair);
    ++counts[scene.group];
    ++counts[std::string(name(scene.difference))];
  }
  // One or two objects: half each. One object: three differences, two objects: four. Bounds: 4.5 standard deviations.
  const std::map<std::string, double> expected{{"one_object", 1. / 2}, {"two_objects", 1. / 2}, {"colour", 7. / 24},
                                               {"shape", 7. / 24},     {"relation", 7. / 24},   {"binding", 1. / 8}};
  for (const auto& [key, share] : expected) {
    CAPTURE(key);
    CHECK(std::abs(static_cast<double>(counts[key]) / kPairs - share) < 4.5 * std::sqrt(share * (1 - share) / kPairs));
  }
}

TEST_CASE("scenes: the recommended vocabulary splits four content words in two, whatever the seed") {
  for (const ScenesKind kind : kKinds)
    for (const uint64_t seed : {0, 1}) {
      VocabularyTrainer trainer;
      std::set<std::string> content;
      for (int64_t index = 0; index < 600; ++index) {
        const Scene scene = generate_scene(options_of(kind, seed), ScenesSplit::train, index);
        trainer.add(scene.caption);
        for (const ContentWord& word : scene.content_words)
          content.insert(
              scene.caption.substr(static_cast<size_t>(word.begin), static_cast<size_t>(word.end - word.begin)));
      }
      CHECK(content.size() ==
            (kind == ScenesKind::scenes ? 19 : 13));  // 8 colours, 5 shapes, 6 words for sides and relations
      trainer.count_words_once();
      const auto size = static_cast<size_t>(recommended_vocabulary_size(kind));
      const Wordpiece wordpiece(trainer.train(size));
      CHECK(wordpiece.size() == size);
      std::set<std::string> split;
      for (const std::string& word : content) {
        const size_t pieces = wordpiece.encode(word).size();
        CHECK(pieces <= 2);
        if (pieces == 2) split.insert(word);
      }
      CHECK(split == std::set<std::string>{"triangle", "turquoise", "white", "yellow"});
    }
}

TEST_CASE("scenes: names") {
  for (const ScenesKind kind : kKinds) CHECK(parse_scenes_kind(name(kind)) == kind);
  CHECK_THROWS_WITH_AS(parse_scenes_kind("quick"), "scenes: kind is 'quick', expected scenes or scenes-quick", Error);
}

}  // namespace tessera::scenes_test

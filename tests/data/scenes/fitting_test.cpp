#include "data/scenes/fitting.h"

#include <doctest/doctest.h>

#include "data/scenes/scenes.h"

namespace tessera::fitting_test {

using scenes::CaptionClaim;
using scenes::PictureSize;

namespace {

constexpr PictureSize kSize{80, 80};

AnnotatedObject object(const char* colour, const char* shape, double x, double y) {
  return {{x, y, 16, 16}, {{"colour", colour}, {"shape", shape}}};
}

// A caption with its one relation word marked.
struct Written {
  Written(std::string given, std::string_view word, std::vector<AnnotatedObject> objects) : text(std::move(given)) {
    annotation.objects = std::move(objects);
    const auto begin = static_cast<int64_t>(text.find(word));
    annotation.content_words = {{begin, begin + static_cast<int64_t>(word.size()), "relation", -1}};
  }
  bool fits(const std::vector<AnnotatedObject>& objects, PictureSize size = kSize) const {
    Annotation picture;
    picture.objects = objects;
    return CaptionClaim::of(text, annotation).value().fits(picture, size);
  }
  scenes::CaptionDifference difference(const std::vector<AnnotatedObject>& objects) const {
    Annotation picture;
    picture.objects = objects;
    return CaptionClaim::of(text, annotation).value().difference(picture, kSize);
  }
  std::string text;
  Annotation annotation;
};

}  // namespace

TEST_CASE("A caption fits pictures with its objects in its relation, in whatever order they are listed") {
  const AnnotatedObject left = object("red", "ring", 0, 32), right = object("blue", "cross", 64, 32);
  const Written of("red ring left of blue cross", "left", {left, right});
  CHECK(of.fits({left, right}));
  CHECK(of.fits({right, left}));
  CHECK_FALSE(of.fits({object("red", "ring", 64, 32), object("blue", "cross", 0, 32)}));
  CHECK_FALSE(of.fits({object("red", "ring", 32, 0), object("blue", "cross", 32, 64)}));
  CHECK_FALSE(of.fits({object("blue", "ring", 0, 32), object("red", "cross", 64, 32)}));
  CHECK_FALSE(of.fits({left}));
  CHECK_FALSE(of.fits({left, right, object("white", "square", 32, 32)}));
  const Written turned("left of a blue cross is a red ring", "left", {left, right});
  CHECK(turned.fits({left, right}));
  const Written above("red ring above blue cross", "above", {left, right});
  CHECK_FALSE(above.fits({left, right}));
  CHECK(above.fits({object("red", "ring", 32, 0), object("blue", "cross", 32, 64)}));
}

TEST_CASE("In what a picture is otherwise than a caption says") {
  using Difference = scenes::CaptionDifference;
  const AnnotatedObject left = object("red", "ring", 0, 32), right = object("blue", "cross", 64, 32);
  const Written of("red ring left of blue cross", "left", {left, right});
  const AnnotatedObject green = object("green", "ring", 0, 32), disc = object("red", "disc", 0, 32);
  CHECK(of.difference({left, right}) == Difference{});
  CHECK(of.difference({right, left}) == Difference{});
  CHECK(of.difference({left}) == Difference{.count = true});
  CHECK(of.difference({object("red", "ring", 64, 32), object("blue", "cross", 0, 32)}) == Difference{.relation = true});
  CHECK(of.difference({green, right}) == Difference{.attributes = {{"colour", 1}}});
  CHECK(of.difference({right, green}) == Difference{.attributes = {{"colour", 1}}});
  CHECK(of.difference({disc, right}) == Difference{.attributes = {{"shape", 1}}});
  // Colours exchanged: two colours or, told the other way round, two shapes.
  const Difference bound = of.difference({object("blue", "ring", 0, 32), object("red", "cross", 64, 32)});
  CHECK(bound.exchanged);
  CHECK(bound.attributes == std::map<std::string, int64_t>{{"colour", 2}});
  CHECK(of.difference({object("green", "ring", 0, 32), object("red", "cross", 64, 32)}) ==
        Difference{.attributes = {{"colour", 2}}});
  CHECK(of.difference({object("green", "disc", 0, 32), right}) ==
        Difference{.attributes = {{"colour", 1}, {"shape", 1}}});
  CHECK(of.difference({left, left}).attributes == std::map<std::string, int64_t>{{"colour", 1}, {"shape", 1}});
  AnnotatedObject bare = left;
  bare.attributes.erase("colour");
  CHECK(of.difference({bare, right}) == Difference{.attributes = {{"colour", 1}}});
}

TEST_CASE("A caption of one object fits by its side, and both sides of a corner are true") {
  const Written left("a red ring on the left", "left", {object("red", "ring", 0, 0)});
  const Written top("a red ring at the top", "top", {object("red", "ring", 0, 0)});
  for (const Written* caption : {&left, &top}) {
    CHECK(caption->fits({object("red", "ring", 8, 8)}));
    CHECK_FALSE(caption->fits({object("red", "ring", 64, 64)}));
    CHECK_FALSE(caption->fits({object("red", "cross", 0, 0)}));
    CHECK_FALSE(caption->fits({object("red", "ring", 32, 32)}));  // in the middle
  }
  CHECK_FALSE(left.fits({object("red", "ring", 64, 0)}));
  CHECK(left.difference({object("red", "ring", 64, 0)}) == scenes::CaptionDifference{.relation = true});
  CHECK(top.fits({object("red", "ring", 64, 0)}));
  CHECK(left.fits({object("red", "ring", 32, 0)}, {64, 112}));  // the same place in a wider picture
  Annotation plain;
  plain.objects = {object("red", "ring", 0, 0)};
  CHECK(CaptionClaim::of("red ring", plain).value().fits(plain, kSize));
}

TEST_CASE("Words that the grammar does not have are no claim") {
  const std::vector<AnnotatedObject> two{object("red", "ring", 0, 32), object("blue", "cross", 64, 32)};
  const Written behind("red ring behind blue cross", "behind", two);
  CHECK_FALSE(CaptionClaim::of(behind.text, behind.annotation).has_value());
  const Written top("red ring top blue cross", "top", two);
  CHECK_FALSE(CaptionClaim::of(top.text, top.annotation).has_value());
  CHECK_FALSE(CaptionClaim::of("a sentence", Annotation()).has_value());
}

TEST_CASE("Every generated caption fits its own picture, and its sibling's only by chance") {
  ScenesOptions options;
  const auto annotation_of = [](const Scene& scene) {
    Annotation out;
    out.content_words = scene.content_words;
    out.objects.emplace();
    for (size_t i = 0; i < scene.squares.size(); ++i) {
      const scenes::Square& square = scene.squares[i];
      const auto& described = scene.description.objects[i];
      const double side = square.side;
      out.objects->push_back({{static_cast<double>(square.x), static_cast<double>(square.y), side, side},
                              {{"colour", std::string(scenes::kColours[static_cast<size_t>(described.colour)].name)},
                               {"shape", std::string(scenes::kShapeNames[static_cast<size_t>(described.shape)])}}});
    }
    return out;
  };
  int siblings = 0;
  for (int64_t i = 0; i < 300; ++i) {
    const Scene scene = generate_scene(options, ScenesSplit::val, i);
    const Scene sibling = generate_scene(options, ScenesSplit::val, i ^ 1);
    const CaptionClaim claim = CaptionClaim::of(scene.caption, annotation_of(scene)).value();
    CHECK(claim.fits(annotation_of(scene), {scene.image.height, scene.image.width}));
    siblings += claim.fits(annotation_of(sibling), {sibling.image.height, sibling.image.width});
  }
  CHECK(siblings == 0);
}

}  // namespace tessera::fitting_test

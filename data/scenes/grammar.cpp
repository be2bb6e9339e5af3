#include "data/scenes/grammar.h"

#include <algorithm>
#include <utility>

#include "tensor/error.h"

namespace tessera::scenes {

namespace {

// Template 0 half of the time.
int draw_template(Random& random) { return std::max(0, static_cast<int>(random.below(4)) - 1); }

// `count` different numbers below `bound`.
std::vector<int> draw_distinct(Random& random, int count, int bound) {
  std::vector<int> drawn;
  while (static_cast<int>(drawn.size()) < count) {
    const auto number = static_cast<int>(random.below(static_cast<uint64_t>(bound)));
    if (std::find(drawn.begin(), drawn.end(), number) == drawn.end()) drawn.push_back(number);
  }
  return drawn;
}

// A number below `bound` that none of `taken` equals.
int draw_other(Random& random, int bound, const std::vector<int>& taken) {
  for (;;) {
    const auto number = static_cast<int>(random.below(static_cast<uint64_t>(bound)));
    if (std::find(taken.begin(), taken.end(), number) == taken.end()) return number;
  }
}

class CaptionWriter {
 public:
  explicit CaptionWriter(const SceneDescription& scene) : scene_(scene) {}

  void words(std::string_view plain) {
    if (!caption_.text.empty()) caption_.text += ' ';
    caption_.text += plain;
  }

  void content(std::string_view word, std::string_view kind, int64_t object) {
    words(word);
    const auto end = static_cast<int64_t>(caption_.text.size());
    caption_.content_words.push_back({end - static_cast<int64_t>(word.size()), end, std::string(kind), object});
  }

  void noun(size_t index, bool article) {
    const ObjectDescription& object = scene_.objects[index];
    const std::string_view colour = kColours[static_cast<size_t>(object.colour)].name;
    if (article) words(colour == "orange" ? "an" : "a");
    content(colour, "colour", static_cast<int64_t>(index));
    content(kShapeNames[static_cast<size_t>(object.shape)], "shape", static_cast<int64_t>(index));
  }

  void relation() {
    const Relation relation = scene_.relation.value();
    content(kRelationWords[static_cast<size_t>(relation)], "relation", -1);
    if (relation == Relation::left || relation == Relation::right) words("of");
  }

  void side() {
    const Relation relation = scene_.relation.value();
    words(relation == Relation::left || relation == Relation::right ? "on the" : "at the");
    content(kSideWords[static_cast<size_t>(relation)], "relation", -1);
  }

  Caption finish() { return std::move(caption_); }

 private:
  const SceneDescription& scene_;
  Caption caption_;
};

}  // namespace

bool unseen_combination(int colour, Shape shape) {
  return kColours[static_cast<size_t>(colour)].name == kUnseenColour[static_cast<size_t>(shape)];
}

Relation opposite(Relation relation) {
  switch (relation) {
    case Relation::left: return Relation::right;
    case Relation::right: return Relation::left;
    case Relation::above: return Relation::below;
    case Relation::below: break;
  }
  return Relation::above;
}

std::string_view name(Difference difference) {
  static constexpr std::array<std::string_view, 4> kNames{"colour", "shape", "relation", "binding"};
  return kNames[static_cast<size_t>(difference)];
}

bool SceneDescription::has_unseen_combination() const {
  return std::any_of(objects.begin(), objects.end(),
                     [](const ObjectDescription& object) { return unseen_combination(object.colour, object.shape); });
}

SceneDescription draw_description(Random& random, int objects, bool names_side) {
  SceneDescription scene;
  const std::vector<int> colours = draw_distinct(random, objects, kColourCount);
  const std::vector<int> shapes = draw_distinct(random, objects, kShapeCount);
  for (size_t i = 0; i < colours.size(); ++i)
    scene.objects.push_back({colours[i], static_cast<Shape>(shapes[i]), random.below(2) == 1});
  if (objects > 1 || names_side) scene.relation = static_cast<Relation>(random.below(4));
  scene.caption_template = draw_template(random);
  return scene;
}

SceneDescription draw_sibling(Random& random, const SceneDescription& scene, Difference difference) {
  SceneDescription sibling = scene;
  ObjectDescription& changed = sibling.objects[random.below(scene.objects.size())];
  std::vector<int> colours, shapes;
  for (const ObjectDescription& object : scene.objects) {
    colours.push_back(object.colour);
    shapes.push_back(static_cast<int>(object.shape));
  }
  switch (difference) {
    case Difference::colour: changed.colour = draw_other(random, kColourCount, colours); break;
    case Difference::shape: changed.shape = static_cast<Shape>(draw_other(random, kShapeCount, shapes)); break;
    case Difference::relation: sibling.relation = opposite(scene.relation.value()); break;
    case Difference::binding: std::swap(sibling.objects.at(0).colour, sibling.objects.at(1).colour); break;
  }
  sibling.caption_template = draw_template(random);
  return sibling;
}

Caption write_caption(const SceneDescription& scene) {
  CaptionWriter writer(scene);
  const bool articles = scene.caption_template > 0;
  if (scene.objects.size() == 1) {
    if (scene.caption_template == 2) writer.words("there is");
    writer.noun(0, articles);
    if (scene.relation) writer.side();
  } else if (scene.caption_template < 2) {
    writer.noun(0, articles);
    writer.relation();
    writer.noun(1, articles);
  } else {
    writer.relation();
    writer.noun(1, true);
    writer.words("is");
    writer.noun(0, true);
  }
  return writer.finish();
}

}  // namespace tessera::scenes

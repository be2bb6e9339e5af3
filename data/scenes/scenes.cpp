#include "data/scenes/scenes.h"

#include "tensor/error.h"
#include "tensor/philox.h"

namespace tessera {

using scenes::Difference;
using scenes::SceneDescription;

namespace {

struct Draft {
  SceneDescription description;
  scenes::PictureSize size;
  std::vector<scenes::Square> squares;
};

// Object count and difference come first and are never redrawn, so that their shares do not depend on how often the
// rest fails.
scenes::PairKind draw_pair_kind(Random& random, ScenesKind kind, ScenesSplit split) {
  scenes::PairKind pair;
  pair.objects = kind == ScenesKind::quick || random.below(2) == 0 ? 1 : 2;
  std::vector<Difference> possible{Difference::colour, Difference::shape};
  if (kind == ScenesKind::scenes) possible.push_back(Difference::relation);
  if (pair.objects == 2) possible.push_back(Difference::binding);
  pair.difference = possible[random.below(possible.size())];
  if (kind == ScenesKind::scenes && split == ScenesSplit::test_unseen) {
    // What leaves an unseen combination in both scenes: a change of the relation, or of the other object.
    if (pair.difference == Difference::binding) pair.difference = possible[random.below(3)];
    if (pair.difference != Difference::relation) pair.objects = 2;
  }
  return pair;
}

bool belongs_to(ScenesSplit split, ScenesKind kind, const SceneDescription& first, const SceneDescription& second) {
  if (split != ScenesSplit::test_unseen) return !first.has_unseen_combination() && !second.has_unseen_combination();
  return first.has_unseen_combination() && (kind == ScenesKind::quick || second.has_unseen_combination());
}

std::string group_of(ScenesSplit split, ScenesKind kind, const SceneDescription& scene) {
  if (kind == ScenesKind::quick && split == ScenesSplit::test_unseen)
    return scene.has_unseen_combination() ? "unseen" : "seen";
  return scene.objects.size() == 1 ? "one_object" : "two_objects";
}

bool place(Random& random, Draft& draft) {
  draft.size = scenes::kPictureSizes[random.below(scenes::kPictureSizes.size())];
  auto squares = scenes::draw_layout(random, draft.description, draft.size);
  if (!squares) return false;
  draft.squares = std::move(*squares);
  return true;
}

}  // namespace

std::string_view name(ScenesKind kind) { return kind == ScenesKind::scenes ? "scenes" : "scenes-quick"; }

ScenesKind parse_scenes_kind(std::string_view text) {
  for (const ScenesKind kind : {ScenesKind::scenes, ScenesKind::quick})
    if (text == name(kind)) return kind;
  fail("scenes: kind is '", text, "', expected scenes or scenes-quick");
}

std::string_view name(ScenesSplit split) {
  static constexpr std::array<std::string_view, 4> kNames{"train", "val", "test", "test_unseen"};
  return kNames[static_cast<size_t>(split)];
}

int64_t ScenesOptions::count(ScenesSplit split) const {
  const bool quick = kind == ScenesKind::quick;
  const std::array<int64_t, 4> asked{train, val, test, test_unseen};
  const std::array<int64_t, 4> usual{quick ? 16000 : 30000, 1000, 2000, quick ? 2000 : 1000};
  const auto i = static_cast<size_t>(split);
  return asked[i] < 0 ? usual[i] : asked[i];
}

int64_t recommended_vocabulary_size(ScenesKind kind) { return kind == ScenesKind::scenes ? 114 : 86; }

Scene generate_scene(const ScenesOptions& options, ScenesSplit split, int64_t index) {
  check(index >= 0, "scenes: index is ", index, ", expected 0 or more");
  // Both scenes of a pair are drawn from the pair's own numbers, each picture from its own.
  constexpr uint64_t kPairs = 1, kPictures = 2;
  const auto kind_word = static_cast<uint64_t>(options.kind), split_word = static_cast<uint64_t>(split);
  Random random(options.seed, kPairs, kind_word, split_word, index / 2);
  const scenes::PairKind pair = draw_pair_kind(random, options.kind, split);
  Draft drafts[2];
  do {
    drafts[0].description = scenes::draw_description(random, pair.objects, options.kind == ScenesKind::scenes);
    drafts[1].description = scenes::draw_sibling(random, drafts[0].description, pair.difference);
  } while (!belongs_to(split, options.kind, drafts[0].description, drafts[1].description) ||
           !place(random, drafts[0]) || !place(random, drafts[1]));

  Draft& draft = drafts[index % 2];
  Random picture(options.seed, kPictures, kind_word, split_word, index);
  Scene scene;
  scene.image = scenes::draw_picture(picture, draft.description, draft.squares, draft.size);
  scenes::Caption caption = scenes::write_caption(draft.description);
  scene.caption = std::move(caption.text);
  scene.content_words = std::move(caption.content_words);
  scene.difference = pair.difference;
  scene.group = group_of(split, options.kind, draft.description);
  scene.squares = std::move(draft.squares);
  scene.description = std::move(draft.description);
  return scene;
}

}  // namespace tessera

// The built-in data set: program-drawn pictures of coloured shapes with captions, written as ordinary files. The files
// are a function of (kind, counts, seed): of nothing else, not of the number of threads. docs/data.md describes the
// task.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/images/image.h"
#include "data/progress.h"
#include "data/scenes/grammar.h"
#include "data/scenes/picture.h"
#include "data/sets/annotations.h"

namespace tessera {

enum class ScenesKind : uint8_t {
  scenes,  // one or two objects, half each; captions of one object name one of four sides
  quick,   // one object, its side not mentioned
};
std::string_view name(ScenesKind kind);               // "scenes", "scenes-quick"
ScenesKind parse_scenes_kind(std::string_view name);  // throws

// The splits, in the order of the files. `test_unseen`: combinations of colour and shape that occur in no other
// split. For `scenes` both scenes of a pair contain one (so the pair differs in colour, shape or relation: with one
// object only the relation can). For `scenes-quick` that is impossible, because no two unseen combinations share a
// colour or a shape: there the first scene of each pair is an unseen combination, its sibling is not, and `group` says
// "unseen" and "seen".
enum class ScenesSplit : uint8_t { train, val, test, test_unseen };
inline constexpr std::array<ScenesSplit, 4> kScenesSplits{ScenesSplit::train, ScenesSplit::val, ScenesSplit::test,
                                                          ScenesSplit::test_unseen};
std::string_view name(ScenesSplit split);

struct ScenesOptions {
  ScenesKind kind = ScenesKind::scenes;
  uint64_t seed = 0;
  // Scenes of each split: even numbers, since scenes come in pairs. -1: train 30,000 (quick: 16,000), val 1,000, test
  // 2,000, test_unseen 1,000 (quick: 2,000, half of them unseen).
  int64_t train = -1;
  int64_t val = -1;
  int64_t test = -1;
  int64_t test_unseen = -1;
  int threads = 0;     // 0: as many as the machine has. No influence on the result
  bool force = false;  // replace a data set with other settings

  int64_t count(ScenesSplit split) const;
};

// Size for VocabularyTrainer::train after count_words_once() on the training captions. Then triangle, turquoise, white
// and yellow have two pieces each and every other content word has one, whatever the seed. (Trained on the words'
// frequencies instead, the rarest words, "above" and "bottom", would fall into four to six letters, and the number of
// masks alone would give them away.)
int64_t recommended_vocabulary_size(ScenesKind kind);

struct Scene {
  scenes::SceneDescription description;
  scenes::Difference difference{};  // from its sibling, which is scene index ^ 1 of the same split
  std::vector<scenes::Square> squares;
  std::string caption;
  std::vector<ContentWord> content_words;
  std::string group;  // "one_object", "two_objects"; see ScenesSplit for those of test_unseen
  Image image;
};

// One scene in memory. Only kind and seed of the options matter.
Scene generate_scene(const ScenesOptions& options, ScenesSplit split, int64_t index);

enum class ScenesResult : uint8_t { written, kept };

// Writes dataset.json (Karpathy), annotations.jsonl, images/<split>/<number>.jpg, manifest.json and README.md. Image
// and sentence ids are equal and count through all splits, so that the sibling of i is i ^ 1. The directory is built
// beside and renamed into place at the end. A complete data set with the same settings is kept; other settings are
// refused without `force`, and what is no such data set is always refused. `progress` is called in the calling thread.
ScenesResult write_scenes(const std::filesystem::path& directory, const ScenesOptions& options,
                          const ProgressCallback& progress = {});

}  // namespace tessera

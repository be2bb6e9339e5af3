// What a scene's caption can say: one or two coloured shapes, where they are, and in which words. Scenes come in pairs
// that differ in exactly one thing that both captions mention.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/sets/annotations.h"
#include "tensor/philox.h"

namespace tessera::scenes {

struct Colour {
  std::string_view name;
  std::array<int, 3> rgb;
};

inline constexpr int kColourCount = 8;
inline constexpr std::array<Colour, kColourCount> kColours{{{"red", {220, 40, 40}},
                                                            {"green", {40, 170, 60}},
                                                            {"blue", {50, 80, 225}},
                                                            {"yellow", {235, 220, 50}},
                                                            {"white", {245, 245, 245}},
                                                            {"orange", {240, 140, 30}},
                                                            {"turquoise", {50, 215, 205}},
                                                            {"magenta", {215, 60, 205}}}};

enum class Shape : uint8_t { square, triangle, cross, ring, rectangle };
inline constexpr int kShapeCount = 5;
inline constexpr std::array<std::string_view, kShapeCount> kShapeNames{"square", "triangle", "cross", "ring",
                                                                       "rectangle"};

// Combinations that no training or validation scene contains: one colour per shape, five different colours, so every
// word is learnt but these pairs of words are not. The same for every seed, so that figures of different seeds compare.
inline constexpr std::array<std::string_view, kShapeCount> kUnseenColour{"yellow", "blue", "red", "green", "turquoise"};
bool unseen_combination(int colour, Shape shape);

// The first object is on that side of the second; a single object is on that side of the picture.
enum class Relation : uint8_t { left, right, above, below };
inline constexpr std::array<std::string_view, 4> kRelationWords{"left", "right", "above", "below"};
inline constexpr std::array<std::string_view, 4> kSideWords{"left", "right", "top", "bottom"};
Relation opposite(Relation relation);

enum class Difference : uint8_t { colour, shape, relation, binding };  // binding: the two colours exchanged
std::string_view name(Difference difference);

struct ObjectDescription {
  int colour = 0;  // index into kColours
  Shape shape = Shape::square;
  bool large = false;  // never mentioned

  bool operator==(const ObjectDescription&) const = default;
};

struct SceneDescription {
  std::vector<ObjectDescription> objects;  // one or two, of different colours and shapes
  std::optional<Relation> relation;        // what the caption says; none: one object, its side not mentioned
  int caption_template = 0;                // 0: no articles; 1: articles; 2: a whole sentence

  bool has_unseen_combination() const;
};

// Object count and difference of a pair, the first thing drawn of it.
struct PairKind {
  int objects = 1;
  Difference difference = Difference::colour;
};

SceneDescription draw_description(Random& random, int objects, bool names_side);

// A scene that differs from `scene` in `difference` and nothing else (its caption may follow another template). The
// change is symmetric: going back is as likely as going there, so neither scene of a pair can be told from the other.
SceneDescription draw_sibling(Random& random, const SceneDescription& scene, Difference difference);

struct Caption {
  std::string text;
  std::vector<ContentWord> content_words;
};
Caption write_caption(const SceneDescription& scene);

}  // namespace tessera::scenes

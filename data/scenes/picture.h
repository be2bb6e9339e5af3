// Where the objects of a scene lie, and how they are drawn. Integers only, in 1/256 of a grey level and in half pixels,
// so a seed gives the same pixels on every machine and with every compiler.
#pragma once

#include <optional>
#include <vector>

#include "data/images/image.h"
#include "data/scenes/grammar.h"
#include "tensor/philox.h"

namespace tessera::scenes {

inline constexpr int kPatch = 16;

struct PictureSize {
  int height = 0;
  int width = 0;
};
inline constexpr std::array<PictureSize, 3> kPictureSizes{{{80, 80}, {64, 96}, {96, 64}}};

// The square in which an object is drawn; a rectangle or a ring does not fill it.
struct Square {
  int x = 0;
  int y = 0;
  int side = 0;
};

// Whether it holds clearly: a single object has its centre in the outer 45 % of the picture on that side; of two
// objects the centres lie on both sides of the middle, further apart along the relation's axis than across it (by 6
// pixels at least), and the squares do not touch.
bool lies_on_side(const Square& square, Relation side, PictureSize size);
bool stand_in_relation(const Square& first, const Square& second, Relation relation, PictureSize size);

// Places the objects so that the relation holds clearly. They sit on the patch grid, moved by up to 3 pixels, so that
// one patch shows most of a small object. None if no attempt succeeds.
std::optional<std::vector<Square>> draw_layout(Random& random, const SceneDescription& scene, PictureSize size);

// Shaded noisy background, objects of slightly varying colour with soft edges (4 samples a pixel).
Image draw_picture(Random& random, const SceneDescription& scene, const std::vector<Square>& squares, PictureSize size);

}  // namespace tessera::scenes

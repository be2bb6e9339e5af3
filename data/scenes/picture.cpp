#include "data/scenes/picture.h"

#include <algorithm>
#include <cstdlib>

namespace tessera::scenes {

namespace {

constexpr int kLevel = 256;  // one grey level
constexpr int kJitter = 3;   // pixels

// Uniform integer in [low, high].
int between(Random& random, int low, int high) {
  return low + static_cast<int>(random.below(static_cast<uint64_t>(high - low + 1)));
}

int axis_length(PictureSize size, int axis) { return axis == 0 ? size.width : size.height; }
int twice_centre(const Square& square, int axis) { return 2 * (axis == 0 ? square.x : square.y) + square.side; }

// A coordinate on the patch grid: an object covers one or two patches, roughly centred.
int draw_coordinate(Random& random, int side, int length) {
  const int patches = std::max(1, (side + kPatch / 2) / kPatch);
  const int cell = between(random, 0, length / kPatch - patches);
  const int centred = cell * kPatch + ((patches * kPatch - side) >> 1);
  return std::clamp(centred + between(random, -kJitter, kJitter), 0, length - side);
}

Square draw_square(Random& random, bool large, PictureSize size) {
  Square square;
  square.side = large ? between(random, 28, 32) : between(random, 16, 19);
  square.x = draw_coordinate(random, square.side, size.width);
  square.y = draw_coordinate(random, square.side, size.height);
  return square;
}

bool apart(const Square& a, const Square& b) {
  constexpr int kGap = 2;
  return a.x >= b.x + b.side + kGap || b.x >= a.x + a.side + kGap || a.y >= b.y + b.side + kGap ||
         b.y >= a.y + a.side + kGap;
}

// Whether a point belongs to the shape; u and v run from -d to d across the square, v downwards.
bool inside(Shape shape, int u, int v, int d) {
  switch (shape) {
    case Shape::square: return 20 * std::abs(u) <= 19 * d && 20 * std::abs(v) <= 19 * d;
    case Shape::triangle: return 2 * std::abs(u) <= v + d;
    case Shape::cross: return 10 * std::abs(u) <= 3 * d || 10 * std::abs(v) <= 3 * d;
    case Shape::ring: return u * u + v * v <= d * d && 25 * (u * u + v * v) >= 9 * d * d;
    case Shape::rectangle: return 20 * std::abs(v) <= 9 * d;
  }
  return false;
}

// How many of the 2 x 2 samples of pixel (x, y) of the square belong to the shape.
int coverage(Shape shape, int x, int y, int side) {
  int count = 0;
  for (int j = 0; j < 2; ++j)
    for (int i = 0; i < 2; ++i)
      count += inside(shape, 2 * (2 * x + i) + 1 - 2 * side, 2 * (2 * y + j) + 1 - 2 * side, 2 * side);
  return count;
}

// Nearly normal: the sum of the four bytes of a word has standard deviation 147.8; the result is scaled to six grey
// levels.
int draw_noise(Random& random) {
  const uint32_t word = random.next();
  const auto sum = static_cast<int>((word & 255) + (word >> 8 & 255) + (word >> 16 & 255) + (word >> 24));
  return (sum - 510) * 665 / 64;
}

using Canvas = std::vector<int>;  // [height, width, 3] in 1/256 grey level

Canvas draw_background(Random& random, PictureSize size) {
  const int base = between(random, 15 * kLevel, 90 * kLevel);
  std::array<int, 3> level{};
  for (int& channel : level) channel = base + between(random, -12 * kLevel, 12 * kLevel);
  const int slope_x = between(random, -25 * kLevel, 25 * kLevel);  // change over the whole width
  const int slope_y = between(random, -25 * kLevel, 25 * kLevel);
  Canvas canvas(static_cast<size_t>(size.height) * size.width * 3);
  int* out = canvas.data();
  for (int y = 0; y < size.height; ++y) {
    const int shade_y = slope_y * (2 * y - size.height) / (2 * size.height);
    for (int x = 0; x < size.width; ++x) {
      const int shade = shade_y + slope_x * (2 * x - size.width) / (2 * size.width) + draw_noise(random);
      for (const int channel : level) *out++ = channel + shade;
    }
  }
  return canvas;
}

void draw_object(Random& random, const ObjectDescription& object, const Square& square, PictureSize size,
                 Canvas& canvas) {
  std::array<int, 3> colour = kColours[static_cast<size_t>(object.colour)].rgb;
  for (int& channel : colour) channel = channel * kLevel + between(random, -15 * kLevel, 15 * kLevel);
  for (int y = 0; y < square.side; ++y) {
    int* pixel = canvas.data() + (static_cast<size_t>(square.y + y) * size.width + square.x) * 3;
    for (int x = 0; x < square.side; ++x, pixel += 3) {
      const int covered = coverage(object.shape, x, y, square.side);
      const int noise = draw_noise(random) / 2;
      for (size_t c = 0; c < 3; ++c) pixel[c] = (pixel[c] * (4 - covered) + (colour[c] + noise) * covered) / 4;
    }
  }
}

}  // namespace

bool lies_on_side(const Square& square, Relation side, PictureSize size) {
  const int axis = side == Relation::left || side == Relation::right ? 0 : 1;
  const int centre = 10 * twice_centre(square, axis);
  const int length = axis_length(size, axis);
  return side == Relation::left || side == Relation::above ? centre < 9 * length : centre > 11 * length;
}

bool stand_in_relation(const Square& a, const Square& b, Relation relation, PictureSize size) {
  if (!apart(a, b)) return false;
  const int axis = relation == Relation::left || relation == Relation::right ? 0 : 1;
  const int along = twice_centre(a, axis) - twice_centre(b, axis);
  const int across = std::abs(twice_centre(a, 1 - axis) - twice_centre(b, 1 - axis));
  const int distance = relation == Relation::left || relation == Relation::above ? -along : along;
  const auto [low, high] = std::minmax({twice_centre(a, axis), twice_centre(b, axis)});
  return distance >= across + 12 && low < axis_length(size, axis) && high > axis_length(size, axis);
}

std::optional<std::vector<Square>> draw_layout(Random& random, const SceneDescription& scene, PictureSize size) {
  for (int attempt = 0; attempt < 200; ++attempt) {
    std::vector<Square> squares;
    for (const ObjectDescription& object : scene.objects) squares.push_back(draw_square(random, object.large, size));
    const bool good = squares.size() == 1 ? !scene.relation || lies_on_side(squares[0], *scene.relation, size)
                                          : stand_in_relation(squares[0], squares[1], scene.relation.value(), size);
    if (good) return squares;
  }
  return std::nullopt;
}

Image draw_picture(Random& random, const SceneDescription& scene, const std::vector<Square>& squares,
                   PictureSize size) {
  Canvas canvas = draw_background(random, size);
  for (size_t i = 0; i < squares.size(); ++i) draw_object(random, scene.objects[i], squares[i], size, canvas);
  Image image;
  image.height = size.height;
  image.width = size.width;
  image.pixels.resize(canvas.size());
  for (size_t i = 0; i < canvas.size(); ++i)
    image.pixels[i] = static_cast<uint8_t>(std::clamp((canvas[i] + kLevel / 2) / kLevel, 0, 255));
  return image;
}

}  // namespace tessera::scenes

#include "data/images/scratch_image.h"

#include <utility>

namespace tessera {
namespace {

constexpr size_t kMaxKept = 4;
constexpr size_t kMaxKeptBytes = size_t{16} << 20;

std::vector<Image>& spare_images() {
  static thread_local std::vector<Image> spare = [] {
    std::vector<Image> empty;
    empty.reserve(kMaxKept);
    return empty;
  }();
  return spare;
}

}  // namespace

ScratchImage::ScratchImage() {
  std::vector<Image>& spare = spare_images();
  if (spare.empty()) return;
  image_ = std::move(spare.back());
  spare.pop_back();
}

ScratchImage::~ScratchImage() {
  std::vector<Image>& spare = spare_images();
  if (spare.size() < kMaxKept && image_.pixels.capacity() <= kMaxKeptBytes) spare.push_back(std::move(image_));
}

}  // namespace tessera

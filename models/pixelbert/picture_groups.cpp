#include "models/pixelbert/picture_groups.h"

namespace tessera {

PictureGroups::PictureGroups(const PixelBertConfig& config, const PixelNorm& norm, int64_t most)
    : config_(config), levels_(1, norm), most_(most) {}

size_t PictureGroups::group_of(Size2d size) {
  for (size_t i = 0; i < groups_.size(); ++i)
    if (groups_[i].size == size && (most_ == 0 || groups_[i].pictures < most_)) return i;
  groups_.push_back({size});
  return groups_.size() - 1;
}

CellRange PictureGroups::add(int64_t number, const Image& picture) {
  if (const auto found = places_.find(number); found != places_.end()) return found->second;
  const Size2d size(picture.height, picture.width);
  const int64_t cells = config_.grid(size).area();
  const size_t at = group_of(size);
  Group& group = groups_[at];
  const size_t begin = group.values.size(), plane = static_cast<size_t>(size.area());
  group.values.resize(begin + 3 * plane);
  for (size_t i = 0; i < plane; ++i)
    for (int c = 0; c < 3; ++c)
      group.values[begin + static_cast<size_t>(c) * plane + i] =
          levels_.value(c, picture.pixels[3 * i + static_cast<size_t>(c)]);
  const CellRange range{static_cast<int64_t>(at), group.pictures++ * cells, cells};
  places_.emplace(number, range);
  return range;
}

std::vector<Tensor> PictureGroups::finish() {
  std::vector<Tensor> out;
  for (const Group& group : groups_)
    out.push_back(Tensor::from(group.values, {group.pictures, 3, group.size.height, group.size.width}));
  groups_.clear();
  places_.clear();
  return out;
}

}  // namespace tessera

// Pictures as the network takes them: normalised planes, those of one size in one tensor, each picture once.
#pragma once

#include <concepts>
#include <map>
#include <vector>

#include "data/pictures.h"
#include "models/pixelbert/model.h"

namespace tessera {

class PictureGroups {
 public:
  // `most`: pictures in a group; 0: no limit.
  PictureGroups(const PixelBertConfig& config, const PixelNorm& norm, int64_t most = 0);

  // Where the cells of picture `number` will be, a group being a table (models/pixelbert/model.h). One that is there
  // already is not added again. A picture that leaves no cell is an error.
  CellRange add(int64_t number, const Image& picture);
  // The same; `picture` gives a pointer to a ResizedImage, and is only asked for one that is not there.
  template <class Load>
  requires std::invocable<Load> CellRange add(int64_t number, const Load& picture) {
    if (const auto found = places_.find(number); found != places_.end()) return found->second;
    return add(number, picture()->image);
  }
  int64_t pictures() const { return static_cast<int64_t>(places_.size()); }
  // f32 [n, 3, height, width] of each group, in the order of their first pictures. Ends the groups.
  std::vector<Tensor> finish();

 private:
  struct Group {
    Size2d size;
    int64_t pictures = 0;
    std::vector<float> values = {};
  };
  size_t group_of(Size2d size);

  PixelBertConfig config_;
  PatchExtractor levels_;  // for its values alone
  int64_t most_;
  std::vector<Group> groups_;
  std::map<int64_t, CellRange> places_;
};

}  // namespace tessera

#include "data/usable_pictures.h"

#include <algorithm>
#include <vector>

#include "tensor/error.h"
#include "tensor/parallel.h"

namespace tessera {
namespace {

// Why a picture cannot be used; empty: it can.
std::string fault_of(const Pictures& pictures, int64_t image) {
  try {
    pictures.resized(image);
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

void UsablePictures::look_at(std::span<const int64_t> images) {
  std::vector<int64_t> unknown;
  for (const int64_t image : images)
    if (known_.insert(image).second) unknown.push_back(image);
  // In slices, so that a folder of nothing but damage is not read to its end.
  constexpr size_t kSlice = 256;
  for (size_t first = 0; first < unknown.size(); first += kSlice) {
    const std::span<const int64_t> slice = std::span(unknown).subspan(first, std::min(kSlice, unknown.size() - first));
    std::vector<std::string> faults(slice.size());
    parallel_for(static_cast<int64_t>(slice.size()), 1, [&](int64_t begin, int64_t end) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
        faults[i] = fault_of(pictures_, slice[i]);
    });
    for (size_t i = 0; i < slice.size(); ++i)
      if (!faults[i].empty()) quarantine_.add(slice[i], faults[i]);
  }
}

bool UsablePictures::usable(int64_t image) {
  look_at({&image, 1});
  return !quarantine_.contains(image);
}

bool can_be_decoded(const Pictures& pictures, int64_t image) { return fault_of(pictures, image).empty(); }

}  // namespace tessera

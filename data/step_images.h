// The pictures of one step: each is decoded, and augmented, once, even where none stays in memory. A picture that
// several samples of a step use is the same in all of them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "data/pictures.h"
#include "data/quarantine.h"

namespace tessera {

class StepImages {
 public:
  // `augmentation`: the seed from which pictures are augmented, anew in every step; none: they stay as they are.
  StepImages(const Pictures& pictures, Quarantine& quarantine, int64_t step, std::optional<uint64_t> augmentation)
      : pictures_(pictures), quarantine_(quarantine), step_(step), augmentation_(augmentation) {}

  // Decodes the picture unless it is there already; one that cannot be decoded goes into the quarantine.
  bool usable(int64_t image);
  // A picture that usable() has said yes to.
  const ResizedImage& operator[](int64_t image) const { return *ready_.at(image); }

 private:
  const Pictures& pictures_;
  Quarantine& quarantine_;
  int64_t step_;
  std::optional<uint64_t> augmentation_;
  std::map<int64_t, std::shared_ptr<const ResizedImage>> ready_;
};

}  // namespace tessera

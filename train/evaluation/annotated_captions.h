// What annotations say of pairs of a picture and a caption that was written about another one.
#pragma once

#include <cstdint>
#include <map>
#include <span>

#include "data/pictures.h"
#include "data/scenes/fitting.h"
#include "data/sets/dataset.h"

namespace tessera {

class AnnotatedCaptions {
 public:
  // `images` and `texts` are indices; every text belongs to one of the images. What is given must stay.
  AnnotatedCaptions(const Dataset& dataset, const Pictures& pictures, std::span<const int64_t> images,
                    std::span<const int64_t> texts);

  // Whether the objects of every text and picture are annotated.
  bool know_objects() const { return know_objects_; }
  // Whether all that the texts say is, too: they are captions of the built-in data (data/scenes/fitting.h).
  bool know_claims() const { return know_claims_; }

  // Whether the picture holds what the text names, wherever. Needs know_objects().
  bool objects_fit(int64_t text, int64_t image) const;
  // Need know_claims().
  bool fits(int64_t text, int64_t image) const;
  scenes::CaptionDifference difference(int64_t text, int64_t image) const;

 private:
  scenes::PictureSize size_of(int64_t image) const;

  const Dataset& dataset_;
  const Pictures& pictures_;
  std::map<int64_t, const Annotation*> of_image_;
  std::map<int64_t, scenes::CaptionClaim> claims_;  // by text
  mutable std::map<int64_t, scenes::PictureSize> sizes_;
  bool know_objects_ = false, know_claims_ = false;
};

}  // namespace tessera

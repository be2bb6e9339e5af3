// A picture between two steps, in memory that its thread keeps for the next one: page faults on fresh memory take as
// long as filling it.
#pragma once

#include "data/images/image.h"

namespace tessera {

class ScratchImage {
 public:
  ScratchImage();   // holds any pixels of any size
  ~ScratchImage();  // keeps the memory of up to four pictures of up to 16 MB for each thread
  ScratchImage(const ScratchImage&) = delete;
  ScratchImage& operator=(const ScratchImage&) = delete;

  Image& operator*() { return image_; }
  Image* operator->() { return &image_; }

 private:
  Image image_;
};

}  // namespace tessera

#include "data/step_images.h"

#include "data/sampler.h"
#include "tensor/error.h"

namespace tessera {

bool StepImages::usable(int64_t image) {
  if (ready_.contains(image)) return true;
  if (quarantine_.contains(image)) return false;
  try {
    ready_.emplace(image, augmentation_
                              ? pictures_.augmented(image, Random(*augmentation_, kAugmentStream, step_, image))
                              : pictures_.resized(image));
    return true;
  } catch (const Error& error) {
    quarantine_.add(image, error.what());
    return false;
  }
}

}  // namespace tessera

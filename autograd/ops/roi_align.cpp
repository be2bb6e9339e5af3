#include "tensor/ops/roi_align.h"

#include <memory>

#include "autograd/functions.h"
#include "autograd/tape.h"

namespace tessera {

Variable roi_align(const Variable& features, const Tensor& rois, const ops::RoiAlignOptions& options) {
  const auto grid = std::make_shared<const ops::RoiAlignGrid>(features.value(), rois, options);
  return record("roi_align", ops::roi_align(features.value(), *grid), {features},
                [grid](const Tensor& dy, GradSlots) -> Grads { return {ops::roi_align_backward(dy, *grid)}; });
}

}  // namespace tessera

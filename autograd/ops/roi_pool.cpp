#include "tensor/ops/roi_pool.h"

#include <memory>

#include "autograd/functions.h"
#include "autograd/tape.h"

namespace tessera {

Variable roi_pool(const Variable& features, const Tensor& rois, const ops::RoiPoolOptions& options) {
  const auto forward = std::make_shared<const ops::RoiPool>(ops::roi_pool(features.value(), rois, options));
  return record("roi_pool", forward->y, {features},
                [forward, shape = features.shape()](const Tensor& dy, GradSlots) -> Grads {
                  return {ops::roi_pool_backward(dy, *forward, shape)};
                });
}

}  // namespace tessera

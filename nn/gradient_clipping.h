// Gradient clipping by the global norm.
#pragma once

#include <algorithm>

namespace tessera {

// The factor by which a gradient of 2-norm `norm` is multiplied so that its norm does not exceed `max_norm`: torch's
// clip_grad_norm_, min(1, max_norm / (norm + 1e-6)). max_norm 0 means no clipping. The factor of a norm that is not
// finite is not meaningful: the caller skips such an update.
inline double clip_factor(double norm, double max_norm) {
  return max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

}  // namespace tessera

// The ops of a GPU against those of the CPU: every check of autograd/op_checks.h, in f32 there and in f64 here. It is
// what `vilt gradcheck --device cuda` runs.
#pragma once

#include <string>

#include "autograd/op_checks.h"

namespace tessera {

// The largest error over its bound of all outputs and gradients of one check, and what is worst. An error is measured
// against the largest magnitude of its tensor (at least 1e-3), and the bound is 1e-5: more than a hundred roundings in
// f32 (6·10⁻⁸ each), and the checks have no longer chains of them; a gradient that is wrong by a hundredth of a percent
// fails.
struct DeviceCheckReport {
  double worst_fraction = 0;  // NaN counts as infinite
  std::string worst;          // "output 0" or "gradient of input 2"
  int64_t compared = 0;       // numbers

  bool ok() const { return worst_fraction <= 1; }
};

// Inputs are rounded to f32; those with strides keep them on the device. The cotangents are random, a function of the
// check's seed.
DeviceCheckReport compare_with_cpu(const OpCheck& check, Device device);

}  // namespace tessera

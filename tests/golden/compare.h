// Comparison of computed tensors with golden ones.
//
// Bounds, per tensor, with `largest` its largest absolute reference value:
//   f64   1e-10 · largest: summation orders differ, which costs about 1e-15 · the number of terms.
//   f32   the larger of 1e-6 · largest and 4 times the error that the generating library itself made in f32 (a single
//         measurement, f32_errors.json), since another order of summation gives another error of that size.
//   f32 on a GPU: 4 times that. Threads add in orders that no CPU library has, and CUDA's exp, erf and tanh are good to
//         2 units of the last place where the CPU's are to 1. Products in TF32 (2⁻¹¹) would be a hundred times outside.
// A tensor that is zero in exact arithmetic (largest < 1e-12, the rounding noise of f64) is compared absolutely: within
// 1e-12 in f64 and 1e-7 in f32.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "tensor/tensor.h"
#include "tests/golden/harness.h"

namespace tessera::golden {

class Comparison {
 public:
  // `directory` is the case's, one below the golden root: its own f32_errors.json is read, or the root's looked up for
  // its case.safetensors. Without either only 1e-6 · largest holds.
  explicit Comparison(const std::filesystem::path& directory);

  // The bound is that of `actual`'s dtype (f32 or f64) where it is computed (device.h); i64 tensors must be equal.
  // `name` is the tensor's in case.safetensors.
  void compare(const std::string& name, const Tensor& actual, const Tensor& expected);
  // The same with a bound of the caller's own.
  void compare_within(const std::string& name, const Tensor& actual, const Tensor& expected, double bound);
  double bound_for(const std::string& name, const Tensor& expected, DType dtype) const;

  // Passed if at least one tensor was compared and none exceeded its bound. The detail names the tensors that failed,
  // or for each dtype how many were compared and the largest used fraction of a bound.
  Outcome outcome() const;

 private:
  struct Worst {
    int tensors = 0;
    double fraction = -1;
    std::string name;
  };

  std::map<std::string, double> f32_errors_;  // by tensor
  std::map<std::string, Worst> worst_;        // by dtype
  std::string failures_;
  int failed_ = 0;
};

}  // namespace tessera::golden

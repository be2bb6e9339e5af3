// Every differentiable op on the device against the CPU: values and gradients.
#include <doctest/doctest.h>

#include "autograd/device_checks.h"

namespace tessera::op_checks_test {
namespace {

constexpr Device kGpu{Device::cuda, 0};

TEST_CASE("every op's values and gradients on the device are the CPU's") {
  for (const OpCheck& check : all_op_checks(1)) {
    CAPTURE(check.name);
    CAPTURE(check.variant);
    DeviceCheckReport report;
    CHECK_NOTHROW(report = compare_with_cpu(check, kGpu));
    CHECK_MESSAGE(report.ok(), report.worst, ": ", report.worst_fraction, " of its bound");
  }
}

TEST_CASE("the comparison finds an error that is planted into a gradient") {
  for (const OpCheck& check : all_op_checks(2)) {
    if (check.name != "layer_norm" && check.name != "gather_rows") continue;
    for (const size_t input : inputs_with_gradient(check))
      for (const PlantedError error : {PlantedError::scaled, PlantedError::dropped}) {
        // Planted in both, it would not show: the CPU's side is the sound check.
        const OpCheck bad = with_planted_error(check, input, error);
        const OpCheck mixed{check.name, check.variant,
                            [&](std::span<const Variable> x) { return x[0].value().on_cuda() ? bad.f(x) : check.f(x); },
                            check.inputs, check.options};
        CHECK_FALSE(compare_with_cpu(mixed, kGpu).ok());
      }
  }
}

}  // namespace
}  // namespace tessera::op_checks_test

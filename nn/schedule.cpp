#include "nn/schedule.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace tessera {

void PolynomialSchedule::validate() const {
  check(std::isfinite(peak) && peak >= 0, "schedule: learning rate is ", peak, ", expected a number >= 0");
  check(std::isfinite(end) && end >= 0, "schedule: end learning rate is ", end, ", expected a number >= 0");
  check(std::isfinite(power) && power > 0, "schedule: power is ", power, ", expected a number > 0");
  check(total >= 0, "schedule: ", total, " updates, expected at least 0");
  check(warmup >= 0 && warmup <= total, "schedule: ", warmup, " warm-up updates, expected 0 to ", total,
        " (all updates)");
}

double PolynomialSchedule::rate(int64_t finished_updates) const {
  if (constant_from >= 0) finished_updates = std::min(finished_updates, constant_from);
  if (finished_updates < warmup) return peak * (static_cast<double>(finished_updates) / static_cast<double>(warmup));
  if (finished_updates > total) return end;
  const auto decay_updates = static_cast<double>(std::max<int64_t>(total - warmup, 1));
  const double left = 1 - static_cast<double>(finished_updates - warmup) / decay_updates;
  return (peak - end) * std::pow(left, power) + end;
}

}  // namespace tessera

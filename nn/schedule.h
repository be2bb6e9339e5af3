// Learning-rate schedules: functions of the number of updates that have been made.
#pragma once

#include <cstdint>

namespace tessera {

// Linear warm-up, then polynomial decay (transformers' get_polynomial_decay_schedule_with_warmup):
//
//   t < warmup:           peak · t / warmup
//   warmup <= t <= total: (peak - end) · (1 - (t - warmup) / (total - warmup))^power + end
//   t > total:            end
//
// t counts the updates that are finished, so the first update (t = 0) of a run with warm-up has rate 0. The variant
// whose first update already moves is `rate(t + 1)`.
struct PolynomialSchedule {
  double peak = 0;
  int64_t warmup = 0;
  int64_t total = 0;
  double power = 1;
  double end = 0;
  int64_t constant_from = -1;  // not negative: from there on the rate stays what it is after so many updates

  // An error unless 0 <= warmup <= total, peak and end are finite and not negative, and power > 0.
  void validate() const;
  double rate(int64_t finished_updates) const;
};

}  // namespace tessera

// Times of the parts of systems.
#pragma once

#include <map>

#include "models/zoo/system.h"

namespace tessera::zoo {

struct Timing {
  Precision precision = Precision::highest;  // that was asked for
  int64_t batch = 1;
  double milliseconds = 0;  // of the whole batch: the median
  int64_t runs = 0;
  bool in_f32 = false;  // though bf16 was asked for: the part has no bf16 activations
};

struct MeasuredPart {
  Part part;  // of a batch of one; without `run`
  std::vector<Timing> timings;
};

struct MeasuredSystem {
  System system;
  Size2d picture;
  std::string tokens;
  std::vector<MeasuredPart> parts;

  int64_t parameters() const;
  int64_t multiply_adds() const;
  // Sums over the parts of a role, or over all.
  double milliseconds(Precision precision, int64_t batch, std::optional<Role> role = {}) const;
};

struct MeasureOptions {
  std::vector<int64_t> batches{1, 8};
  std::vector<Precision> precisions{Precision::highest, Precision::bf16};
  int64_t repeat = 3;
  Size2d picture = 0;  // 0: each system's own
  bool quick = false;
  // The processor's time, of all threads together: less at the mercy of what else the machine does.
  bool processor_time = false;
  // A part whose first run takes longer is measured once: that much time varies little. (The first is never counted: it
  // gets its memory from the system, and gigabytes take seconds.)
  double long_milliseconds = 4000;
  std::function<void(const std::string&)> progress = [](const std::string&) {};
};

// In each precision and batch all parts run once, then `repeat` times more, in turn, of which the medians are taken.
// What several systems share is measured once. The process's products of f32 are set to what a precision says, and are
// those of Precision::highest afterwards.
std::vector<MeasuredSystem> measure(const std::vector<System>& systems, const MeasureOptions& options);

double milliseconds_of(const std::function<void()>& run, bool processor_time = false);
double median(std::vector<double> times);

// Suppression of a detector's regions class by class, by bottom-up-attention's rule: as published, from the boxes anew
// for each class; and as written well, with the overlaps found once.
struct SuppressionTimes {
  int64_t boxes = 0, classes = 0, chosen = 0;
  double published_ms = 0, shared_ms = 0;
  bool equal = false;  // in what they choose
};
SuppressionTimes measure_suppression(bool quick, int64_t repeat, bool processor_time = false);

}  // namespace tessera::zoo

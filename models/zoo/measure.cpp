#include "models/zoo/measure.h"

#include <algorithm>
#include <ctime>

#include "autograd/tape.h"

namespace tessera::zoo {
double milliseconds_of(const std::function<void()>& run, bool processor_time) {
  const auto now = [processor_time] {
    timespec time{};
    clock_gettime(processor_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
    return 1e3 * static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_nsec);
  };
  const double start = now();
  run();
  return now() - start;
}

double median(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  const size_t middle = times.size() / 2;
  return times.size() % 2 ? times[middle] : (times[middle - 1] + times[middle]) / 2;
}

namespace {

// Of each part, all runs.
std::vector<std::vector<double>> times_of(const std::vector<Part>& parts, const MeasureOptions& options) {
  std::vector<double> first;
  std::vector<std::vector<double>> out(parts.size());
  for (const Part& part : parts) first.push_back(milliseconds_of(part.run, options.processor_time));
  for (int64_t round = 0; round < options.repeat; ++round)
    for (size_t i = 0; i < parts.size(); ++i)
      if (round == 0 || first[i] <= options.long_milliseconds)
        out[i].push_back(milliseconds_of(parts[i].run, options.processor_time));
  return out;
}

// What was measured before, by what decides it.
using Known = std::map<std::string, std::vector<MeasuredPart>>;

std::vector<MeasuredPart> measured(const System& system, bool pictures, const MeasureOptions& options,
                                   Precision precision, int64_t batch, Size2d picture, Known& known) {
  const Parts& half = pictures ? system.pictures : system.rest;
  const Precision effective = precision == Precision::bf16 && !half.bf16 ? Precision::highest : precision;
  const std::string key = text(half.shared.empty() ? system.name : half.shared, pictures ? " picture " : " rest ",
                               picture, ' ', batch, ' ', static_cast<int>(effective));
  std::vector<MeasuredPart>& out = known[key];
  if (out.empty()) {
    options.progress(text(system.title, ", ", pictures ? "picture" : "text and fusion", ", batch ", batch,
                          effective == Precision::bf16 ? ", bf16 …" : " …"));
    const DType activations = use_precision(effective, {});
    std::vector<Part> parts =
        half.build({.picture = picture, .batch = batch, .activations = activations, .quick = options.quick});
    const std::vector<std::vector<double>> times = times_of(parts, options);
    for (size_t i = 0; i < parts.size(); ++i) {
      parts[i].run = {};
      out.push_back(
          {parts[i],
           {{.batch = batch, .milliseconds = median(times[i]), .runs = static_cast<int64_t>(times[i].size())}}});
    }
  }
  std::vector<MeasuredPart> named = out;
  for (MeasuredPart& part : named) {
    part.timings[0].precision = precision;
    part.timings[0].in_f32 = precision != effective;
  }
  return named;
}

}  // namespace

int64_t MeasuredSystem::parameters() const {
  int64_t sum = 0;
  for (const MeasuredPart& part : parts) sum += part.part.parameters;
  return sum;
}

int64_t MeasuredSystem::multiply_adds() const {
  int64_t sum = 0;
  for (const MeasuredPart& part : parts) sum += part.part.multiply_adds;
  return sum;
}

double MeasuredSystem::milliseconds(Precision precision, int64_t batch, std::optional<Role> role) const {
  double sum = 0;
  for (const MeasuredPart& part : parts)
    for (const Timing& timing : part.timings)
      if (timing.precision == precision && timing.batch == batch && (!role || *role == part.part.role))
        sum += timing.milliseconds;
  return sum;
}

std::vector<MeasuredSystem> measure(const std::vector<System>& systems, const MeasureOptions& options) {
  const NoGrad no_grad;
  Known known;
  std::vector<MeasuredSystem> out;
  for (const System& system : systems) {
    MeasuredSystem result{.system = system, .picture = system.picture, .tokens = {}, .parts = {}};
    if (options.quick) result.picture = {64, 96};
    if (options.picture.area() > 0) result.picture = options.picture;
    if (!system.any_size) result.picture = options.quick ? Size2d(64) : system.picture;
    if (system.tokens) result.tokens = system.tokens({.picture = result.picture, .quick = options.quick});
    for (const int64_t batch : options.batches)
      for (const Precision precision : options.precisions) {
        std::vector<MeasuredPart> parts = measured(system, true, options, precision, batch, result.picture, known);
        for (MeasuredPart& part : measured(system, false, options, precision, batch, result.picture, known))
          parts.push_back(std::move(part));
        if (result.parts.empty()) {
          result.parts = std::move(parts);
          continue;
        }
        for (size_t i = 0; i < parts.size(); ++i) result.parts[i].timings.push_back(parts[i].timings[0]);
      }
    out.push_back(std::move(result));
  }
  use_precision(Precision::highest, {});
  return out;
}

}  // namespace tessera::zoo

// Common to the measurements of vilt_bench: flags, repetition, one JSON line for each result. Flags, keys and formulas
// are those of the PyTorch program that it is compared with, so that the lines of both can be read side by side.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <ctime>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tensor/dtype.h"

namespace tessera::bench {

struct Arguments {
  std::string work;
  std::string model = "small";
  int batch = 4;
  Device device;
  std::string precision = "f32";
  double dropout = 0.1;
  bool ragged = false;
  bool checkpoint_blocks = false;
  bool table = false;  // gemm: a table after the lines
  bool cuda_graph = false;
  bool upload = false;   // step: the batch is a new one each time, and goes to the GPU in every step
  bool turns = false;    // measures once for each line on standard input
  bool compile = false;  // accepted for the peer's sake; nothing here is compiled at run time
  std::string compile_mode = "default";
  int threads = 0;
  int warmup = 3;
  int reps = 9;
  int64_t samples = 1'000'000;  // shards
  bool processor_time = false;  // on the CPU: the time of all threads together
  int workers = -1;             // loader: of the loader that makes batches; -1: pictures alone
};

struct Milliseconds {
  double median, least, most;
};

// Of the wall's clock, or of the processor's time of this process.
inline double milliseconds_now(bool processor_time) {
  timespec time{};
  clock_gettime(processor_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return 1e3 * static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_nsec);
}

// Of `reps` calls after `warmup` calls that do not count.
template <class Run>
Milliseconds median_ms(Run&& run, int warmup, int reps, bool processor_time = false) {
  for (int i = 0; i < warmup; ++i) run();
  std::vector<double> times;
  for (int i = 0; i < reps; ++i) {
    const double start = milliseconds_now(processor_time);
    run();
    times.push_back(milliseconds_now(processor_time) - start);
  }
  std::sort(times.begin(), times.end());
  const size_t middle = times.size() / 2;
  const double median = times.size() % 2 ? times[middle] : (times[middle - 1] + times[middle]) / 2;
  return {median, times.front(), times.back()};
}

inline double rounded(double value, int decimals) {
  const double unit = std::pow(10.0, decimals);
  return std::round(value * unit) / unit;
}

// A value as JSON text. Strings are names that need no escapes.
struct JsonValue {
  std::string text;

  JsonValue(bool value) : text(value ? "true" : "false") {}
  JsonValue(std::integral auto value) : text(std::to_string(value)) {}
  JsonValue(double value);
  JsonValue(const std::string& value) : text('"' + value + '"') {}
  JsonValue(const char* value) : JsonValue(std::string(value)) {}
};

using JsonFields = std::vector<std::pair<const char*, JsonValue>>;

// Prints one line: peer, work, `extra` in its order, threads, times, peak memory of the process.
void report(const Arguments& arguments, const Milliseconds& ms, const JsonFields& extra);

// Times `run` and reports it with the fields that `extra` makes of the times. With `turns` it does so once for each
// line on standard input, after a line "ready" when it has warmed up: two programs can then be measured in alternation
// though each starts only once.
//
// On the CPU a repetition is one call. On a GPU it is as many as take 30 ms, between two waits for the device, divided
// by their number; and the line has besides, for one call: `host_ms`, in which the host gives an idle device its work
// (the time of the call: more than the host needs where the device's queue is full), `launches` of kernels of our own,
// `synchronisations`, `plain_products` that cuBLASLt has not taken, and `peak_device_bytes` of tensors.
void measure(const Arguments& arguments, const std::function<void()>& run,
             const std::function<JsonFields(const Milliseconds&)>& extra);

// What the multiplying instruction alone does in f32, on all threads at once.
double peak_f32_gflops();

void bench_attention(const Arguments& arguments);
void bench_conv(const Arguments& arguments);
void bench_device(const Arguments& arguments);  // one line: what the device is
void bench_gemm(const Arguments& arguments);
void bench_device_gemm(const Arguments& arguments);  // gemm on a GPU
void bench_ipot(const Arguments& arguments);
void bench_loader(const Arguments& arguments);
void bench_shards(const Arguments& arguments);
// Whole models beside PyTorch's classes (bench/peers/peer_zoo.py).
void bench_zoo_resnet50(const Arguments& arguments);
void bench_zoo_resnet50_step(const Arguments& arguments);
void bench_zoo_clip(const Arguments& arguments);
void bench_zoo_clip_step(const Arguments& arguments);
void bench_zoo_uniter(const Arguments& arguments);
void bench_zoo_regions(const Arguments& arguments);
void bench_zoo_gru(const Arguments& arguments);
void bench_zoo_gru_step(const Arguments& arguments);
void bench_scaling(const Arguments& arguments);  // tables for people

}  // namespace tessera::bench

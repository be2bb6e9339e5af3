// Common to the measurements of vilt_bench: flags, repetition, one JSON line for each result. Flags, keys and formulas
// are those of the PyTorch program that it is compared with, so that the lines of both can be read side by side.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace tessera::bench {

struct Arguments {
  std::string work;
  std::string model = "small";
  int batch = 4;
  std::string precision = "f32";
  double dropout = 0.1;
  bool ragged = false;
  bool checkpoint_blocks = false;
  bool table = false;    // gemm: a table after the lines
  bool compile = false;  // accepted for the peer's sake; nothing here is compiled at run time
  std::string compile_mode = "default";
  int threads = 0;
  int warmup = 3;
  int reps = 9;
};

struct Milliseconds {
  double median, least, most;
};

// Of `reps` calls after `warmup` calls that do not count.
template <class Run>
Milliseconds median_ms(Run&& run, int warmup, int reps) {
  for (int i = 0; i < warmup; ++i) run();
  std::vector<double> times;
  for (int i = 0; i < reps; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
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

using JsonFields = std::initializer_list<std::pair<const char*, JsonValue>>;

// Prints one line: peer, work, `extra` in its order, threads, times, peak memory of the process.
void report(const Arguments& arguments, const Milliseconds& ms, JsonFields extra);

void bench_gemm(const Arguments& arguments);
void bench_ipot(const Arguments& arguments);
void bench_loader(const Arguments& arguments);
void bench_scaling(const Arguments& arguments);  // tables for people

}  // namespace tessera::bench

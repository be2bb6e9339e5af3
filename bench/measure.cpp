// How long a call takes on the CPU or on a GPU.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>

#include "bench/bench.h"
#include "tensor/device.h"

namespace tessera::bench {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Between two waits for the device.
double ms_of(const std::function<void()>& run, int64_t calls, Device device) {
  wait_for(device);
  const auto start = Clock::now();
  for (int64_t i = 0; i < calls; ++i) run();
  wait_for(device);
  return ms_since(start);
}

struct GpuCall {
  int64_t calls = 1;    // in a repetition
  double launches = 0;  // of one call, as the others
  double synchronisations = 0;
  double plain_products = 0;
};

// Warms up, and finds how many calls make a repetition.
GpuCall prepare(const Arguments& arguments, const std::function<void()>& run) {
  constexpr double kLeastMs = 30;
  constexpr int64_t kMostCalls = 1000;
  for (int i = 0; i < std::max(1, arguments.warmup); ++i) run();
  check_device_errors(arguments.device);
  reset_peak_memory(arguments.device);
  const double ms = ms_of(run, 1, arguments.device);
  GpuCall call;
  call.calls = std::clamp<int64_t>(std::llround(std::ceil(kLeastMs / std::max(ms, 1e-3))), 1, kMostCalls);
  const DeviceUse before = device_use(arguments.device);
  run();
  const DeviceUse after = device_use(arguments.device);
  call.launches = static_cast<double>(after.launches - before.launches);
  call.plain_products = static_cast<double>(after.plain_products - before.plain_products);
  call.synchronisations = static_cast<double>(after.synchronisations - before.synchronisations);
  return call;
}

void measure_on_gpu(const Arguments& arguments, const std::function<void()>& run, const GpuCall& call,
                    const std::function<JsonFields(const Milliseconds&)>& extra) {
  const Device device = arguments.device;
  const Milliseconds whole = median_ms([&] { ms_of(run, call.calls, device); }, 0, arguments.reps);
  const auto calls = static_cast<double>(call.calls);
  const Milliseconds ms{whole.median / calls, whole.least / calls, whole.most / calls};
  std::vector<double> host;
  for (int i = 0; i < arguments.reps; ++i) {
    wait_for(device);
    const auto start = Clock::now();
    run();
    host.push_back(ms_since(start));
  }
  std::nth_element(host.begin(), host.begin() + arguments.reps / 2, host.end());
  check_device_errors(device);
  JsonFields fields = extra(ms);
  fields.insert(fields.end(), {{"device", "cuda"},
                               {"host_ms", rounded(host[static_cast<size_t>(arguments.reps / 2)], 4)},
                               {"launches", call.launches},
                               {"synchronisations", call.synchronisations},
                               {"plain_products", call.plain_products},
                               {"peak_device_bytes", device_use(device).peak_bytes}});
  report(arguments, ms, fields);
}

}  // namespace

void measure(const Arguments& arguments, const std::function<void()>& run,
             const std::function<JsonFields(const Milliseconds&)>& extra) {
  const bool gpu = arguments.device.kind == Device::cuda;
  GpuCall call;
  if (gpu) call = prepare(arguments, run);
  int warmup = arguments.warmup;
  const auto once = [&] {
    if (gpu) return measure_on_gpu(arguments, run, call, extra);
    const Milliseconds ms = median_ms(run, warmup, arguments.reps, arguments.processor_time);
    report(arguments, ms, extra(ms));
  };
  if (!arguments.turns) return once();
  for (; !gpu && warmup > 0; --warmup) run();
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) once();
}

void bench_device(const Arguments& arguments) {
  const DeviceDescription device = device_description(arguments.device);
  std::cout << "{\"device\": \"" << device.name << "\", \"capability\": \"" << device.capability
            << "\", \"multiprocessors\": " << device.multiprocessors << ", \"memory_bytes\": " << device.memory_bytes
            << ", \"cuda_driver\": \"" << device.driver << "\", \"cuda_runtime\": \"" << device.runtime
            << "\", \"version\": \"" TESSERA_VERSION "\"}" << std::endl;
}

}  // namespace tessera::bench

#include "tensor/cuda/out_of_memory.h"

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "tensor/error.h"

namespace tessera::cuda {
namespace {

std::string with_commas(int64_t count) {
  const std::string digits = std::to_string(count);
  std::string result;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) result += ',';
    result += digits[i];
  }
  return result;
}

}  // namespace

std::string amount_of_memory(int64_t bytes) {
  constexpr int64_t kKiB = 1024, kMiB = kKiB * 1024;
  if (bytes < 10 * kKiB) return with_commas(bytes) + " bytes";
  if (bytes < 10 * kMiB) return with_commas((bytes + kKiB - 1) / kKiB) + " KiB";
  return with_commas(bytes / kMiB + (bytes % kMiB != 0)) + " MiB";
}

void fail_out_of_memory(int64_t requested, const std::string& name, const MemoryStatistics& statistics,
                        int64_t device_bytes) {
  fail("out of memory on cuda:0: ", amount_of_memory(requested), " requested for ", name, ", ",
       amount_of_memory(statistics.live_bytes), " live, ", amount_of_memory(statistics.peak_bytes), " at the peak, ",
       amount_of_memory(statistics.cached_bytes), " cached, of ", amount_of_memory(device_bytes),
       " on the device; to train with less, lower train.batch_size, raise train.accumulate, switch "
       "train.checkpoint_blocks on or choose --precision bf16");
}

int64_t memory_limit_of_environment() {
  const char* value = std::getenv("TESSERA_CUDA_MEMORY_MIB");
  if (!value || !*value) return 0;
  int64_t mebibytes = 0;
  const char* end = value + std::strlen(value);
  const auto [stop, status] = std::from_chars(value, end, mebibytes);
  check(status == std::errc() && stop == end && mebibytes > 0 && mebibytes < int64_t{1} << 40,
        "TESSERA_CUDA_MEMORY_MIB is '", value, "', expected a number of MiB above zero");
  return mebibytes << 20;
}

}  // namespace tessera::cuda

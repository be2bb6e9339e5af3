// The way of host memory to the GPU: copied into pinned buffers, from which the device fetches it by itself, in the
// order of the stream. The caller's memory is free as soon as the call returns, and nothing waits for the device. This
// is the bookkeeping alone and knows nothing of CUDA.
//
// A buffer is used again when the event that was recorded after its copy is done. Copies of up to 64 KiB (indices,
// labels, masks) go through buffers of that size, larger ones in pieces through buffers of 4 MiB; while the device
// fetches one piece, the host fills the next buffer. Buffers are made when none is free and kept, until the pool
// is at its bound: then the host waits for the oldest one, and the wait is counted.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>

namespace tessera::cuda {

// What the pool asks of a device. A buffer has one number for life: 0, 1, 2, ...
class StagingDevice {
 public:
  virtual ~StagingDevice() = default;
  virtual void* allocate(int64_t bytes) = 0;  // host memory that the device can fetch from; nullptr if there is none
  // Starts a copy from a buffer to the device, and notes its end as the event of buffer `number`.
  virtual void start_copy(void* to, const void* from, int64_t bytes, int number) = 0;
  virtual bool is_done(int number) = 0;  // the event that was noted last
  virtual void wait(int number) = 0;     // for it
};

struct StagingStatistics {
  int64_t pinned_bytes = 0;
  int64_t waits = 0;  // for a buffer, because the pool was at its bound
};

class StagingPool {
 public:
  static constexpr int64_t kSmall = int64_t{64} << 10, kLarge = int64_t{4} << 20;  // bytes of a buffer

  // At most so many buffers of each size, at least one. The device is kept by reference.
  StagingPool(StagingDevice& device, int64_t most_small, int64_t most_large)
      : device_(device), small_{kSmall, most_small, 0, {}}, large_{kLarge, most_large, 0, {}} {}
  StagingPool(const StagingPool&) = delete;
  StagingPool& operator=(const StagingPool&) = delete;

  // Thread-safe. An error if the host has no memory for the first buffer.
  void copy(void* to, const void* from, int64_t bytes);
  StagingStatistics statistics() const;

 private:
  struct Buffer {
    char* memory;
    int number;
  };
  struct Size {
    int64_t bytes, most, made;
    std::deque<Buffer> used;  // the oldest first, which the device is done with first
  };
  Buffer take(Size& size);

  StagingDevice& device_;
  mutable std::mutex mutex_;
  Size small_, large_;
  int made_ = 0;
  StagingStatistics statistics_;
};

}  // namespace tessera::cuda

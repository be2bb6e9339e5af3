#include "tensor/cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "tensor/cuda/out_of_memory.h"
#include "tensor/error.h"

namespace tessera::cuda {

void StagingPool::copy(void* to, const void* from, int64_t bytes) {
  const std::lock_guard lock(mutex_);
  Size& size = bytes <= kSmall ? small_ : large_;
  for (int64_t at = 0; at < bytes; at += size.bytes) {
    const int64_t piece = std::min(size.bytes, bytes - at);
    const Buffer buffer = take(size);
    size.used.push_back(buffer);  // also if the copy fails
    std::memcpy(buffer.memory, static_cast<const char*>(from) + at, static_cast<size_t>(piece));
    device_.start_copy(static_cast<char*>(to) + at, buffer.memory, piece, buffer.number);
  }
}

StagingPool::Buffer StagingPool::take(Size& size) {
  const bool has_free = !size.used.empty() && device_.is_done(size.used.front().number);
  if (!has_free && (size.made == 0 || size.made < size.most)) {
    if (auto* memory = static_cast<char*>(device_.allocate(size.bytes))) {
      ++size.made;
      statistics_.pinned_bytes += size.bytes;
      return {memory, made_++};
    }
    size.most = size.made;  // the host has no more
    check(size.made > 0, "cuda: the host has no ", amount_of_memory(size.bytes), " of pinned memory for copies");
  }
  const Buffer oldest = size.used.front();
  if (!has_free) {
    device_.wait(oldest.number);
    ++statistics_.waits;
  }
  size.used.pop_front();
  return oldest;
}

StagingStatistics StagingPool::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

}  // namespace tessera::cuda

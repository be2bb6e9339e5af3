#include "tensor/cuda/caching_allocator.h"

#include <algorithm>
#include <cassert>
#include <iterator>

#include "tensor/cuda/out_of_memory.h"

namespace tessera::cuda {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kRounding = 512;
constexpr int64_t kSmall = kMiB;        // the largest block that is cut from a small segment
constexpr int64_t kShared = 10 * kMiB;  // the largest that shares a large one with others
constexpr int64_t kSmallSegment = 2 * kMiB, kLargeSegment = 20 * kMiB, kSegmentRounding = 2 * kMiB;
constexpr int64_t kUnheardOf = int64_t{1} << 50;  // no device has as much, and no sum of sizes overflows below

constexpr int64_t round_up(int64_t bytes, int64_t unit) { return (bytes + unit - 1) / unit * unit; }

int64_t segment_for(int64_t bytes) {
  if (bytes <= kSmall) return kSmallSegment;
  return bytes <= kShared ? kLargeSegment : round_up(bytes, kSegmentRounding);
}

}  // namespace

void* CachingAllocator::allocate(int64_t bytes, const std::string& name) {
  if (bytes <= 0) return nullptr;
  const std::lock_guard lock(mutex_);
  if (bytes >= kUnheardOf) fail_out_of_memory(bytes, name, statistics_, capacity());
  const int64_t rounded = round_up(bytes, kRounding);
  const Place block = find_or_take(rounded, rounded <= kSmall ? small : large);
  if (block == no_block()) fail_out_of_memory(bytes, name, statistics_, capacity());
  split(block, rounded);
  mark_live(block);
  return block->first;
}

void CachingAllocator::release(void* memory) {
  if (!memory) return;
  const std::lock_guard lock(mutex_);
  Place block = blocks_.find(static_cast<char*>(memory));
  assert(block != no_block() && block->second.live);
  mark_free(block);
  join_with_next(block);
  if (block != blocks_.begin()) join_with_next(std::prev(block));
}

void CachingAllocator::release_cached() {
  const std::lock_guard lock(mutex_);
  give_back_free_segments();
}

void CachingAllocator::limit(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  limit_ = bytes;
}

MemoryStatistics CachingAllocator::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

void CachingAllocator::reset_peak() {
  const std::lock_guard lock(mutex_);
  statistics_.peak_bytes = statistics_.live_bytes;
}

CachingAllocator::Place CachingAllocator::find_or_take(int64_t bytes, Kind kind) {
  Place block = best_fit(bytes, kind);
  if (block == no_block()) block = take_segment(segment_for(bytes), kind);
  if (block != no_block()) return block;
  give_back_free_segments();
  block = take_segment(segment_for(bytes), kind);
  return block != no_block() ? block : take_segment(bytes, kind);
}

CachingAllocator::Place CachingAllocator::best_fit(int64_t bytes, Kind kind) {
  const auto found = free_[kind].lower_bound({bytes, nullptr});
  return found == free_[kind].end() ? no_block() : blocks_.find(found->second);
}

CachingAllocator::Place CachingAllocator::take_segment(int64_t bytes, Kind kind) {
  const int64_t taken = statistics_.live_bytes + statistics_.cached_bytes;
  if (limit_ > 0 && bytes > limit_ - taken) return no_block();
  auto* memory = static_cast<char*>(store_.take(bytes));
  if (!memory) return no_block();
  ++statistics_.system_calls;
  statistics_.cached_bytes += bytes;
  segments_[memory] = bytes;
  free_[kind].insert({bytes, memory});
  return blocks_.insert({memory, {bytes, memory, kind, false}}).first;
}

// Leaves `bytes` in the block, which is free, and makes a free block of the rest if that is worth it.
void CachingAllocator::split(Place block, int64_t bytes) {
  Block& b = block->second;
  const int64_t rest = b.bytes - bytes;
  if (rest < (b.kind == small ? kRounding : kSmall + 1)) return;
  free_[b.kind].erase({b.bytes, block->first});
  free_[b.kind].insert({bytes, block->first});
  b.bytes = bytes;
  char* const after = block->first + bytes;
  blocks_.insert({after, {rest, b.segment, b.kind, false}});
  free_[b.kind].insert({rest, after});
}

// Nothing happens unless the block and the next one are both free and of one segment.
void CachingAllocator::join_with_next(Place block) {
  const Place next = std::next(block);
  if (next == no_block()) return;
  Block &a = block->second, &b = next->second;
  if (a.live || b.live || a.segment != b.segment) return;
  free_[a.kind].erase({a.bytes, block->first});
  free_[b.kind].erase({b.bytes, next->first});
  a.bytes += b.bytes;
  blocks_.erase(next);
  free_[a.kind].insert({a.bytes, block->first});
}

void CachingAllocator::mark_free(Place block) {
  Block& b = block->second;
  b.live = false;
  free_[b.kind].insert({b.bytes, block->first});
  statistics_.live_bytes -= b.bytes;
  statistics_.cached_bytes += b.bytes;
}

void CachingAllocator::mark_live(Place block) {
  Block& b = block->second;
  b.live = true;
  free_[b.kind].erase({b.bytes, block->first});
  statistics_.live_bytes += b.bytes;
  statistics_.cached_bytes -= b.bytes;
  statistics_.peak_bytes = std::max(statistics_.peak_bytes, statistics_.live_bytes);
}

void CachingAllocator::give_back_free_segments() {
  for (auto segment = segments_.begin(); segment != segments_.end();) {
    const auto [memory, bytes] = *segment;
    const Place block = blocks_.find(memory);
    if (block->second.live || block->second.bytes != bytes) {
      ++segment;
      continue;
    }
    free_[block->second.kind].erase({bytes, memory});
    blocks_.erase(block);
    segment = segments_.erase(segment);
    statistics_.cached_bytes -= bytes;
    store_.give_back(memory, bytes);
  }
}

int64_t CachingAllocator::capacity() const {
  const int64_t all = store_.capacity();
  return limit_ > 0 ? std::min(limit_, all) : all;
}

}  // namespace tessera::cuda

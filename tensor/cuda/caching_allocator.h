// Memory of a GPU, taken from it in segments and handed out in blocks. A block that is released is kept for the next
// request, so that after the first step of a fixed shape training asks the device for no more: asking waits for all
// that runs there. This is the bookkeeping alone and knows nothing of CUDA: segments come from a Store.
//
// All work is done in the order of one stream. A block may therefore be handed out again as soon as it is released:
// what still reads it was launched before whatever will write it.
//
//   - Sizes are rounded up to 512 bytes. Blocks of up to 1 MiB are cut from segments of 2 MiB, others of up to 10 MiB
//     from segments of 20 MiB; a larger block gets a segment of its own, rounded up to 2 MiB.
//   - The smallest free block that is large enough serves a request, of those the one at the lowest address; what is
//     left of it stays free (of a large block only if it is more than 1 MiB, or large segments would end in crumbs).
//   - A released block is joined with its free neighbours in the segment.
//   - When the store has no more, the segments that are wholly free go back to it, and it is asked again, at last for
//     no more than the block needs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "tensor/allocator.h"

namespace tessera::cuda {

class CachingAllocator {
 public:
  struct Store {
    // Memory aligned to 512 bytes; nullptr if there is no more.
    std::function<void*(int64_t bytes)> take;
    // Waits until nothing uses the memory.
    std::function<void(void* memory, int64_t bytes)> give_back;
    // What the device has, for messages.
    std::function<int64_t()> capacity;
  };

  explicit CachingAllocator(Store store) : store_(std::move(store)) {}
  CachingAllocator(const CachingAllocator&) = delete;
  CachingAllocator& operator=(const CachingAllocator&) = delete;

  // Aligned to 512 bytes; contents undefined; 0 bytes give nullptr. Throws tessera::Error (out_of_memory.h) when there
  // is no more; `name` is for that. Thread-safe, as all of these are.
  void* allocate(int64_t bytes, const std::string& name);
  void release(void* memory);

  void release_cached();      // gives the segments that are wholly free back to the store
  void limit(int64_t bytes);  // takes no more than this from the store; 0: no limit
  MemoryStatistics statistics() const;
  void reset_peak();

 private:
  enum Kind : uint8_t { small, large };
  struct Block {
    int64_t bytes;
    char* segment;  // the start of it
    Kind kind;
    bool live;
  };
  using Place = std::map<char*, Block>::iterator;

  Place no_block() { return blocks_.end(); }
  Place best_fit(int64_t bytes, Kind kind);
  Place take_segment(int64_t bytes, Kind kind);
  Place find_or_take(int64_t bytes, Kind kind);
  void split(Place block, int64_t bytes);
  void join_with_next(Place block);
  void mark_free(Place block);
  void mark_live(Place block);
  void give_back_free_segments();
  int64_t capacity() const;

  Store store_;
  mutable std::mutex mutex_;
  std::map<char*, Block> blocks_;                // all of them; those of a segment follow each other
  std::map<char*, int64_t> segments_;            // their sizes
  std::set<std::pair<int64_t, char*>> free_[2];  // by size, then address; [Kind]
  MemoryStatistics statistics_;                  // live and cached bytes make up all segments
  int64_t limit_ = 0;
};

}  // namespace tessera::cuda

// Memory that a kernel needs while it works on one chunk: a thread's own, kept from call to call and never given back
// before the thread ends, so that a kernel in a training step takes no memory from the system.
#pragma once

#include <cstdint>

#include "tensor/allocator.h"

namespace tessera {

class Scratch {
 public:
  // This thread's scratch memory with room for `bytes`; contents are undefined. Valid until the next call on this
  // thread, so a kernel takes all it needs at once and cuts it up with `take`.
  static Scratch of_this_thread(int64_t bytes) {
    thread_local Block block;
    if (block.bytes < bytes) block.grow(bytes);
    return Scratch(static_cast<char*>(block.data));
  }

  // The next `count` elements, 64-byte aligned.
  template <class T>
  T* take(int64_t count) {
    T* p = reinterpret_cast<T*>(next_);
    next_ += bytes_for<T>(count);
    return p;
  }
  template <class T>
  static constexpr int64_t bytes_for(int64_t count) {
    return (count * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64;
  }

 private:
  struct Block {
    void* data = nullptr;
    int64_t bytes = 0;

    ~Block() { free_host(data, bytes); }
    void grow(int64_t wanted) {
      free_host(data, bytes);
      bytes = 0;
      data = nullptr;
      data = allocate_host(wanted);
      bytes = wanted;
    }
  };
  explicit Scratch(char* next) : next_(next) {}

  char* next_;
};

}  // namespace tessera

// The framework's one pool of threads. Work is cut into chunks by problem size alone, never by the number of threads,
// and partial sums are added in chunk order: so the same bits come out at any number of threads.
#pragma once

#include <cstdint>
#include <type_traits>

namespace tessera {

// The number of threads that parallel loops use, the caller included. Starts as the TESSERA_THREADS environment
// variable, or the number of cores. Not to be called from inside a parallel loop.
int thread_count();
void set_thread_count(int count);

namespace detail {
void run_chunks(int64_t chunks, void (*body)(void*, int64_t), void* context);
}

// Calls body(chunk) for every chunk in [0, chunks), on several threads, each chunk once. Returns when all are done. An
// exception of a body is rethrown in the caller. A nested call runs on its own thread only.
template <class Body>
void parallel_chunks(int64_t chunks, Body&& body) {
  using B = std::remove_reference_t<Body>;
  detail::run_chunks(
      chunks, [](void* context, int64_t chunk) { (*static_cast<B*>(context))(chunk); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

// Calls body(begin, end) for consecutive ranges of at most `grain` elements that cover [0, count).
template <class Body>
void parallel_for(int64_t count, int64_t grain, Body&& body) {
  if (grain < 1) grain = 1;
  parallel_chunks((count + grain - 1) / grain, [&](int64_t chunk) {
    const int64_t begin = chunk * grain;
    body(begin, begin + grain < count ? begin + grain : count);
  });
}

// A grain that gives each chunk about 16 thousand elements of work, `elements_per_item` for each item.
inline int64_t grain_for(int64_t elements_per_item) {
  constexpr int64_t kElements = 16384;
  return elements_per_item >= kElements ? 1 : kElements / (elements_per_item > 0 ? elements_per_item : 1);
}

}  // namespace tessera

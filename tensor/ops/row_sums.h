// Sums over all rows of a matrix in fixed chunks, whose order depends on sizes alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "tensor/parallel.h"
#include "tensor/tensor.h"

namespace tessera::ops {

// How many rows make a chunk: about 8 thousand elements, but at least 32 rows, so that what a chunk costs by itself
// does not matter, and at most 256 chunks. A multiple of four chunks divides evenly among the usual numbers of threads.
inline int64_t chunk_rows(int64_t rows, int64_t row_elements) {
  constexpr int64_t kElements = 8192, kRows = 32, kChunks = 256;
  int64_t chunks = std::min({rows * std::max<int64_t>(1, row_elements) / kElements, rows / kRows, kChunks});
  chunks = chunks >= 4 ? chunks / 4 * 4 : std::max<int64_t>(1, chunks);
  return std::max<int64_t>(1, (rows + chunks - 1) / chunks);
}

// Sums over the rows of a matrix: rows are taken in chunks, each with a partial sum of `width` numbers of its own, and
// the partial sums are added in chunk order.
template <class T>
class RowSums {
 public:
  RowSums(int64_t rows, int64_t row_elements, int64_t width)
      : rows_(rows),
        width_(width),
        chunk_rows_(chunk_rows(rows, row_elements)),
        chunks_((rows + chunk_rows_ - 1) / chunk_rows_) {
    partial_ = Tensor::empty({chunks_, width}, dtype_of<T>::value);
  }

  // body(begin, end, partial): adds rows [begin, end) to partial [width], which starts as zeros.
  template <class Body>
  void run(Body&& body) {
    T* partial = partial_.mutable_data<T>();
    parallel_chunks(chunks_, [&](int64_t chunk) {
      T* own = partial + chunk * width_;
      std::fill(own, own + width_, T{0});
      const int64_t begin = chunk * chunk_rows_;
      body(begin, std::min(rows_, begin + chunk_rows_), own);
    });
  }

  // Entries [first, first + count) of the total go to `out`, or are added to it.
  template <class Out>
  void write(Out* out, int64_t first, int64_t count, bool accumulate) const {
    const T* partial = partial_.data<T>();
    parallel_for(count, std::max<int64_t>(64, grain_for(chunks_)), [=, this](int64_t begin, int64_t end) {
      if constexpr (std::is_same_v<T, Out>) {
        if (!accumulate) std::fill(out + begin, out + end, T{0});
        for (int64_t chunk = 0; chunk < chunks_; ++chunk) {
          const T* from = partial + chunk * width_ + first;
          for (int64_t i = begin; i < end; ++i) out[i] += from[i];
        }
      } else {  // finer sums are rounded once
        for (int64_t i = begin; i < end; ++i) {
          T total = accumulate ? static_cast<T>(out[i]) : T{0};
          for (int64_t chunk = 0; chunk < chunks_; ++chunk) total += partial[chunk * width_ + first + i];
          out[i] = static_cast<Out>(total);
        }
      }
    });
  }

 private:
  int64_t rows_, width_, chunk_rows_, chunks_;
  Tensor partial_;
};

}  // namespace tessera::ops

// Walks two operands of any strides, broadcast to one shape, along the rows of a contiguous result.
#pragma once

#include <algorithm>

#include "tensor/parallel.h"
#include "tensor/tensor.h"

namespace tessera::ops {

// Neighbouring dimensions that both operands cross with one stride are merged, so operands of one shape without gaps
// are a single row, and a bias [channels] against [tokens, channels] is `tokens` rows.
class BroadcastRows {
 public:
  // With `keep_last` the last dimension of `shape` is a row of its own (for ops over the last dimension).
  BroadcastRows(const Shape& shape, const Tensor& a, const Tensor& b, bool keep_last = false);

  int64_t length() const { return length_; }
  int64_t step_a() const { return step_a_; }  // between neighbours in a row, in elements; 0 where broadcast
  int64_t step_b() const { return step_b_; }

  // Calls body(offset in the result, offset in a, offset in b, elements) for pieces of at most `longest` elements of
  // each row, in parallel.
  template <class Body>
  void for_each(Body&& body, int64_t longest = 16384) const {
    const int64_t pieces = std::max<int64_t>(1, (length_ + longest - 1) / longest);
    parallel_for(rows_ * pieces, grain_for(std::min(length_, longest)), [&](int64_t begin, int64_t end) {
      Position at = seek(begin / pieces);
      for (int64_t item = begin, piece = begin % pieces; item < end; ++item) {
        const int64_t start = piece * longest;
        body(at.row * length_ + start, at.a + start * step_a_, at.b + start * step_b_,
             std::min(longest, length_ - start));
        if (++piece == pieces) {
          piece = 0;
          advance(at);
        }
      }
    });
  }

 private:
  struct Position {
    int64_t row = 0, a = 0, b = 0;
    Shape index;
  };
  Position seek(int64_t row) const;
  void advance(Position& position) const;

  int64_t rows_ = 1, length_ = 1, step_a_ = 0, step_b_ = 0;
  Shape outer_, strides_a_, strides_b_;  // of the dimensions outside the row
};

}  // namespace tessera::ops

#include "tensor/ops/broadcast.h"

namespace tessera::ops {

BroadcastRows::BroadcastRows(const Shape& shape, const Tensor& a, const Tensor& b, bool keep_last) {
  const Shape all_a = a.expand(shape).strides(), all_b = b.expand(shape).strides();
  Shape sizes, strides_a, strides_b;  // merged
  for (int d = 0; d < shape.dim(); ++d) {
    const bool last = keep_last && d == shape.dim() - 1;
    if (shape[d] == 1 && !last) continue;
    const int previous = sizes.dim() - 1;
    if (!last && previous >= 0 && strides_a[previous] == all_a[d] * shape[d] &&
        strides_b[previous] == all_b[d] * shape[d]) {
      sizes[previous] *= shape[d];
      strides_a[previous] = all_a[d];
      strides_b[previous] = all_b[d];
    } else {
      sizes.push_back(shape[d]);
      strides_a.push_back(all_a[d]);
      strides_b.push_back(all_b[d]);
    }
  }
  const int dims = sizes.dim();
  if (dims > 0) {
    length_ = sizes[dims - 1];
    step_a_ = strides_a[dims - 1];
    step_b_ = strides_b[dims - 1];
    for (Shape* s : {&sizes, &strides_a, &strides_b}) s->erase(dims - 1);
  }
  rows_ = length_ > 0 ? sizes.numel() : 0;
  outer_ = sizes;
  strides_a_ = strides_a;
  strides_b_ = strides_b;
}

BroadcastRows::Position BroadcastRows::seek(int64_t row) const {
  Position position{row, 0, 0, outer_};
  for (int d = outer_.dim() - 1; d >= 0; --d) {
    position.index[d] = row % outer_[d];
    row /= outer_[d];
    position.a += position.index[d] * strides_a_[d];
    position.b += position.index[d] * strides_b_[d];
  }
  return position;
}

void BroadcastRows::advance(Position& position) const {
  ++position.row;
  for (int d = outer_.dim() - 1; d >= 0; --d) {
    position.a += strides_a_[d];
    position.b += strides_b_[d];
    if (++position.index[d] < outer_[d]) return;
    position.a -= outer_[d] * strides_a_[d];
    position.b -= outer_[d] * strides_b_[d];
    position.index[d] = 0;
  }
}

}  // namespace tessera::ops

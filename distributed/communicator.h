// What the ranks of a data-parallel training say to each other. Every rank calls the same functions in the same order
// with tensors of the same shape and type; a call returns when this rank has its result.
//
// A sum is formed element by element in the order of the ranks, ((x_0 + x_1) + x_2) + …, so that the same number of
// ranks gives the same bits in every run, on every rank.
#pragma once

#include <cstdint>
#include <functional>

#include "tensor/tensor.h"

namespace tessera {

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // values = Σ over ranks of values. Contiguous f32, f64 or i64 on the CPU; a sum of f32 is formed in f32.
  virtual void all_reduce_(Tensor values) = 0;
  // values = those of rank `root`. Contiguous, any type, on the CPU.
  virtual void broadcast_(Tensor values, int root = 0) = 0;
  // Returns when all ranks have come here.
  virtual void barrier() = 0;
};

// The only rank there is: nothing is copied, nobody is waited for. It has no state and may be used by any thread.
Communicator& single_rank();

// Calls body(communicator) on `size` threads, the ranks. When a rank ends, by an error or because it makes fewer calls,
// the calls in which others wait for it throw. At the end the error of the lowest rank that failed by itself is
// rethrown; if none did, that of the lowest that waited in vain.
void run_ranks(int size, const std::function<void(Communicator&)>& body);

}  // namespace tessera

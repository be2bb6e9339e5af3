// What the layers of a model need to know about the pass they run in.
#pragma once

#include "tensor/dtype.h"
#include "tensor/error.h"
#include "tensor/philox.h"

namespace tessera {

// Hands out the dropout tickets of one step: their streams are numbered in the order of the calls, so an op draws the
// same mask in every run of the same step. A copy of the source draws the same tickets again (for `checkpoint`).
class TicketSource {
 public:
  TicketSource(uint64_t seed, uint32_t step) : next_{seed, 0, step} {}
  Ticket next() {
    const Ticket ticket = next_;
    ++next_.stream;
    return ticket;
  }

 private:
  Ticket next_;
};

// A dropout as an op takes it.
struct Dropout {
  double p = 0;
  Ticket ticket = {};
};

struct ForwardContext {
  bool training = false;            // without, nothing is dropped
  TicketSource* tickets = nullptr;  // needed when something is dropped
  // Blocks keep their input alone and run again in backward: memory for time. Results are the same, bit for bit.
  bool checkpoint_blocks = false;
  // bf16: what a model computes its blocks on, and what else its header says. Else: the parameters' own type, which
  // never changes, nor their gradients'. nn/precision.h
  DType activations = DType::f32;

  // What a layer with this rate drops in this pass. No ticket is used up when that is nothing.
  Dropout dropout(double rate) const {
    if (!training || rate == 0) return {};
    check(tickets != nullptr, "block: dropout ", rate, " in training needs a ticket source");
    return {rate, tickets->next()};
  }
  DType activations_beside(DType parameters) const { return activations == DType::bf16 ? activations : parameters; }
};

}  // namespace tessera

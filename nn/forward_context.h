// What a block needs to know about the step it runs in.
#pragma once

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

struct ForwardContext {
  double dropout = 0;  // of each branch, before it is added to the residual
  // After the GELU of the MLP. Hugging Face's ViLT has no dropout there, the official code has.
  double activation_dropout = 0;
  bool training = false;            // without, nothing is dropped
  TicketSource* tickets = nullptr;  // needed when something is dropped
  // Blocks keep their input alone and run again in backward: memory for time. Results are the same, bit for bit.
  bool checkpoint_blocks = false;

  double branch_probability() const { return training ? dropout : 0; }
  double activation_probability() const { return training ? activation_dropout : 0; }
  // A ticket for a dropout of probability p; none is used up when p is 0.
  Ticket ticket(double p) const {
    if (p == 0) return {};
    check(tickets != nullptr, "block: dropout ", p, " in training needs a ticket source");
    return tickets->next();
  }
};

}  // namespace tessera

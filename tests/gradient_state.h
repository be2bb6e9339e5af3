// Gradients by name.
#pragma once

#include "vilt/files/state_dict.h"

namespace tessera::tests {

// Of every parameter; those that none has reached are zero.
inline StateDict gradient_state(ParameterSet& parameters) {
  parameters.finish_gradients();
  StateDict out;
  for (const ParameterSet::Slot& slot : parameters.slots()) out.emplace(slot.name, slot.parameter.grad());
  return out;
}

}  // namespace tessera::tests

// The tape: how differentiable ops are recorded, and how backward runs.
//
//   Variable tanh(const Variable& x) {
//     Tensor y = ops::tanh(x.value());
//     return record("tanh", y, {x}, [y](const Tensor& dy, GradSlots) -> Grads { return {ops::tanh_backward(dy, y)}; });
//   }
//
// The capture list of the closure is the list of saved tensors. Both forms demand a closure, so a graph is never cut by
// accident. Nodes carry a creation number; backward visits the reachable ones in descending order, without recursion.
//
// Backward refuses to run through an op whose inputs or outputs have been modified since it was recorded
// ("layer_norm: input 0 was modified after forward"), whether or not its closure reads them.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "autograd/variable.h"

namespace tessera {

// Where the gradient of one input goes.
struct GradSlot {
  bool needed = false;      // if not, the closure may return an undefined tensor
  Tensor target;            // a leaf's own gradient memory (contiguous, the input's shape), or undefined
  bool accumulate = false;  // target holds a value: add to it; otherwise overwrite
  bool written = false;     // set by a closure that has written `target` itself (its returned tensor is then ignored)
};
using GradSlots = std::span<GradSlot>;
using Grads = std::vector<Tensor>;  // one per input; undefined where not needed or written

// dy is contiguous and has the output's shape and dtype.
using Backward = std::function<Grads(const Tensor& dy, GradSlots slots)>;
// dys: one per output, undefined where no gradient arrived.
using BackwardMany = std::function<Grads(std::span<const Tensor> dys, GradSlots slots)>;

// A variable computed from `inputs`. `op` must outlive the graph (a literal). The gradient that the closure returns for
// an input may have the shape that the input was broadcast to: it is summed to the input's shape here.
Variable record(const char* op, Tensor value, std::vector<Variable> inputs, Backward backward);
std::vector<Variable> record_many(const char* op, std::vector<Tensor> values, std::vector<Variable> inputs,
                                  BackwardMany backward);

// Runs backward from several variables at once, with a cotangent for each.
void backward(std::span<const Variable> outputs, std::span<const Tensor> cotangents);

// True unless a NoGrad guard is alive on this thread.
bool grad_enabled();

// While alive, ops on this thread record nothing and their results need no gradient.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

// While alive, ops record again inside a NoGrad scope.
class EnableGrad {
 public:
  EnableGrad();
  ~EnableGrad();
  EnableGrad(const EnableGrad&) = delete;
  EnableGrad& operator=(const EnableGrad&) = delete;

 private:
  bool before_;
};

// Runs f(inputs) without keeping what it saves, and runs it again when backward needs it: memory for time. `parameters`
// are the leaves that f uses beside its inputs; their gradients go to their own places. f must be a function of its
// inputs and parameters alone (random ops draw from tickets, so a second run draws the same).
std::vector<Variable> checkpoint(std::function<std::vector<Variable>(std::span<const Variable>)> f,
                                 std::vector<Variable> inputs, std::vector<Variable> parameters);

}  // namespace tessera

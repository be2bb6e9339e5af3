// Variable: a value (Tensor) and, apart from it, what the tape needs (gradient, node).
//
// Leaves are made by the constructor; everything else by `record` (autograd/tape.h), which the functions of
// autograd/functions.h call. There is no double backward: backward computes on tensors and records nothing.
#pragma once

#include <memory>

#include "tensor/tensor.h"

namespace tessera {

class Node;

// What the tape knows of a variable. Nodes point here and never at values, so a graph keeps alive only what the
// closures of its nodes capture.
struct TapeData {
  Shape shape;
  DType dtype = DType::f32;
  bool requires_grad = false;
  std::shared_ptr<Node> node;  // that computed the value; none for a leaf
  int output = 0;              // which of the node's outputs
  Tensor grad;                 // of a leaf
  bool grad_is_stale = false;  // grad's memory holds nothing yet: the next gradient overwrites it
};

class Variable {
 public:
  Variable() = default;
  explicit Variable(Tensor value, bool requires_grad = false);

  bool defined() const { return value_.defined(); }
  const Tensor& value() const { return value_; }
  Tensor& mutable_value() { return value_; }
  const Shape& shape() const { return value_.shape(); }
  int64_t size(int dimension) const { return value_.size(dimension); }
  DType dtype() const { return value_.dtype(); }
  bool requires_grad() const { return tape_ && tape_->requires_grad; }
  bool is_leaf() const { return !tape_ || !tape_->node; }

  // The accumulated gradient of a leaf: undefined before the first backward that reached it.
  Tensor grad() const;
  // Gives the leaf a place for its gradient (a slice of an arena). Its contents count as zero.
  void set_grad_storage(Tensor storage);
  // Forgets the gradient; storage that was given is kept and counts as zero.
  void clear_grad();
  // True if no gradient has arrived since the last clear.
  bool grad_is_empty() const { return !tape_ || !tape_->grad.defined() || tape_->grad_is_stale; }

  // The same value, cut from the graph on purpose.
  Variable detach() const { return Variable(value_); }

  // Runs the tape from this variable, which must have one element (its gradient is 1) or get a `cotangent` of its
  // shape. Gradients are added to the leaves' `grad()`; closures are dropped as soon as they have run.
  void backward(const Tensor& cotangent = {}) const;

  const std::shared_ptr<TapeData>& tape() const { return tape_; }

 private:
  friend class Node;
  Tensor value_;
  std::shared_ptr<TapeData> tape_;
};

}  // namespace tessera

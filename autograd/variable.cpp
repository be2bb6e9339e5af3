#include "autograd/variable.h"

#include "autograd/tape.h"

namespace tessera {

Variable::Variable(Tensor value, bool requires_grad) : value_(std::move(value)), tape_(std::make_shared<TapeData>()) {
  check(!requires_grad || is_floating(value_.dtype()), "variable: a tensor of dtype ", value_.dtype(),
        " cannot require a gradient");
  tape_->shape = value_.shape();
  tape_->dtype = value_.dtype();
  tape_->requires_grad = requires_grad;
}

Tensor Variable::grad() const {
  if (!tape_ || !tape_->grad.defined()) return {};
  if (tape_->grad_is_stale) {
    tape_->grad.fill_(0);
    tape_->grad_is_stale = false;
  }
  return tape_->grad;
}

void Variable::set_grad_storage(Tensor storage) {
  check(requires_grad() && is_leaf(), "set_grad_storage: not a leaf that requires a gradient");
  check(storage.shape() == shape() && storage.dtype() == dtype() && storage.is_contiguous() &&
            storage.device() == value_.device(),
        "set_grad_storage: got ", describe(storage), ", expected contiguous ", describe(value_));
  tape_->grad = std::move(storage);
  tape_->grad_is_stale = true;
}

void Variable::clear_grad() {
  if (tape_ && tape_->grad.defined()) tape_->grad_is_stale = true;
}

void Variable::backward(const Tensor& cotangent) const {
  check(requires_grad(), "backward: the variable does not require a gradient");
  Tensor dy = cotangent;
  if (!dy.defined()) {
    check(value_.numel() == 1, "backward: shape is ", shape(),
          "; only a single element has an implicit gradient of 1, give a cotangent");
    dy = Tensor::full(shape(), 1, dtype(), value_.device());
  }
  tessera::backward(std::span(this, 1), std::span(&dy, 1));
}

}  // namespace tessera

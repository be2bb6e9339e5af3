// Finding the first value that is not finite: while a CheckFinite guard is alive, every recorded output and every
// gradient is looked at, and the first bad one ends in an error that names the op and the part of the model.
#pragma once

#include <cstdint>
#include <string>

#include "tensor/tensor.h"

namespace tessera {

class NonFinite : public Error {
 public:
  using Error::Error;
};

// Names the part of a model that runs while it is alive: NameScope scope("vilt.encoder.layer.", 3). Scopes nest; the
// name must outlive the scope (a literal).
class NameScope {
 public:
  explicit NameScope(const char* name, int64_t index = -1);
  ~NameScope();
  NameScope(const NameScope&) = delete;
  NameScope& operator=(const NameScope&) = delete;
};
std::string current_scope();  // "a / b", or "" outside

class CheckFinite {
 public:
  CheckFinite();
  ~CheckFinite();
  CheckFinite(const CheckFinite&) = delete;
  CheckFinite& operator=(const CheckFinite&) = delete;

 private:
  bool before_;
};
bool finite_checks_enabled();

bool all_finite(const Tensor& tensor);  // true for integers and undefined tensors
// Throws NonFinite: "softmax: output 0 in vilt.encoder.layer.3 is not finite".
void check_finite(const Tensor& tensor, const char* op, const char* what, size_t index, const std::string& scope);

}  // namespace tessera

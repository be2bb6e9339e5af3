#include "autograd/finite.h"

#include <cmath>
#include <utility>
#include <vector>

namespace tessera {
namespace {

thread_local bool checking = false;
thread_local std::vector<std::pair<const char*, int64_t>> scopes;

}  // namespace

NameScope::NameScope(const char* name, int64_t index) { scopes.emplace_back(name, index); }
NameScope::~NameScope() { scopes.pop_back(); }

std::string current_scope() {
  std::string out;
  for (const auto& [name, index] : scopes) {
    if (!out.empty()) out += " / ";
    out += name;
    if (index >= 0) out += std::to_string(index);
  }
  return out;
}

CheckFinite::CheckFinite() : before_(std::exchange(checking, true)) {}
CheckFinite::~CheckFinite() { checking = before_; }
bool finite_checks_enabled() { return checking; }

bool all_finite(const Tensor& tensor) {
  if (!tensor.defined() || !is_floating(tensor.dtype())) return true;
  const Tensor values = tensor.contiguous();
  return dispatch_any(values.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* v = values.data<T>();
    for (int64_t i = 0; i < values.numel(); ++i)
      if (!std::isfinite(static_cast<double>(v[i]))) return false;
    return true;
  });
}

void check_finite(const Tensor& tensor, const char* op, const char* what, size_t index, const std::string& scope) {
  if (all_finite(tensor)) return;
  throw NonFinite(text(op, ": ", what, " ", index, scope.empty() ? "" : " in ", scope, " is not finite"));
}

}  // namespace tessera

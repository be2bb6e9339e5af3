#include "autograd/finite.h"

#include <utility>
#include <vector>

#include "tensor/ops/all_finite.h"

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

bool all_finite(const Tensor& tensor) { return ops::all_finite(tensor); }

void check_finite(const Tensor& tensor, const char* op, const char* what, size_t index, const std::string& scope) {
  if (all_finite(tensor)) return;
  throw NonFinite(text(op, ": ", what, " ", index, scope.empty() ? "" : " in ", scope, " is not finite"));
}

}  // namespace tessera

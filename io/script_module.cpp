#include "io/script_module.h"

#include <string_view>

#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using Attributes = std::vector<std::pair<std::string, Pickle::Id>>;

constexpr int kDeepestModule = 64;
constexpr size_t kMostAttributes = 100'000, kMostPathBytes = size_t{16} << 20;

class Flattener {
 public:
  Flattener(const Pickle& pickle, const std::string& file) : pickle_(pickle), file_(file) {}

  void add(Pickle::Id module, const std::string& prefix, int depth) {
    check(depth <= kDeepestModule, file_, ": modules are nested more than ", kDeepestModule, " deep");
    const auto parts = pickle_.children(module);
    if (parts.size() == 2) return;  // callee and arguments: it has no attributes
    check(parts.size() == 3 && pickle_.kind(parts[2]) == Pickle::Kind::dict, file_, ": the attributes of module '",
          printable(prefix), "' are ", describe(pickle_, parts[2]), ", expected a dict");
    const auto items = pickle_.children(parts[2]);
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      check(pickle_.kind(items[i]) == Pickle::Kind::string, file_, ": a module has ", describe(pickle_, items[i]),
            " as the name of an attribute");
      const std::string_view name = pickle_.text(items[i]);
      if (name == "training" || name == "_is_full_backward_hook") continue;
      // Modules count too, since those that are used twice could be very many.
      bytes_ += prefix.size() + name.size() + 1;
      check(++count_ <= kMostAttributes && bytes_ <= kMostPathBytes, file_, ": the module has more than ",
            kMostAttributes, " attributes, or paths of more than 16 MiB");
      std::string path = prefix + std::string(name);
      if (is_script_module(pickle_, items[i + 1]))
        add(items[i + 1], path + ".", depth + 1);
      else
        found_.emplace_back(std::move(path), items[i + 1]);
    }
  }
  Attributes take() { return std::move(found_); }

 private:
  const Pickle& pickle_;
  const std::string& file_;
  Attributes found_;
  size_t count_ = 0, bytes_ = 0;
};

}  // namespace

bool is_script_module(const Pickle& pickle, Pickle::Id id) {
  if (pickle.kind(id) != Pickle::Kind::object) return false;
  const Pickle::Id callee = pickle.children(id)[0];
  if (pickle.kind(callee) != Pickle::Kind::global) return false;
  const std::string_view module = pickle.text(pickle.children(callee)[0]);
  return module == "__torch__" || module.starts_with("__torch__.");
}

Attributes script_attributes(const Pickle& pickle, Pickle::Id module, const std::string& file) {
  Flattener flattener(pickle, file);
  flattener.add(module, "", 1);
  return flattener.take();
}

}  // namespace tessera

#include "io/torch_script.h"

#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using Id = Pickle::Id;
using Kind = Pickle::Kind;

// A few bytes of a pickle make a module in a module, and a path is as long as all the names that lead to it: the sum of
// all is bounded.
constexpr size_t kMaxPathBytes = 1024, kMaxBytes = size_t{1} << 26;

}  // namespace

bool is_script_module(const Pickle& pickle, Id id) {
  if (pickle.kind(id) != Kind::object) return false;
  const Id callee = pickle.children(id)[0];
  if (pickle.kind(callee) != Kind::global) return false;
  const std::string_view place = pickle.text(pickle.children(callee)[0]);
  return place == "__torch__" || place.starts_with("__torch__.");
}

std::vector<std::pair<std::string, Id>> script_state(const Pickle& pickle, const TorchTensors& tensors, Id module,
                                                     const std::string& file) {
  std::vector<std::pair<std::string, Id>> pending{{"", module}}, found;
  std::vector<bool> seen(pickle.size(), false);
  seen[module] = true;
  size_t bytes = 0;
  while (!pending.empty()) {
    const auto [path, id] = std::move(pending.back());
    pending.pop_back();
    // After callee and arguments comes the dict of attributes.
    for (const Id attributes : pickle.children(id).subspan(2)) {
      if (pickle.kind(attributes) != Kind::dict) continue;
      const auto items = pickle.children(attributes);
      for (size_t i = 0; i + 1 < items.size(); i += 2) {
        const bool is_tensor = tensors.is_tensor(items[i + 1]);
        if (!is_tensor && !is_script_module(pickle, items[i + 1])) continue;
        check(pickle.kind(items[i]) == Kind::string, file, ": a module has ", describe(pickle, items[i]),
              " as the name of an attribute, expected a string");
        const std::string_view name = pickle.text(items[i]);
        check(path.size() + name.size() < kMaxPathBytes, file, ": the path of ", printable(name), " is longer than ",
              kMaxPathBytes, " bytes");
        bytes += path.size() + name.size();
        check(bytes <= kMaxBytes, file, ": the paths of the modules' tensors take more than ", kMaxBytes, " bytes");
        std::string full = text(path, path.empty() ? "" : ".", name);
        if (is_tensor) {
          found.emplace_back(std::move(full), items[i + 1]);
        } else if (!seen[items[i + 1]]) {
          seen[items[i + 1]] = true;
          pending.emplace_back(std::move(full), items[i + 1]);
        }
      }
    }
  }
  return found;
}

}  // namespace tessera

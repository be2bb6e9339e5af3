// The values of a pickle and messages about them; pickle_reader.cpp makes them.
#include "io/pickle.h"

#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {

std::string_view Pickle::text(Id id) const {
  const Range range = nodes_[id].range;
  return {reinterpret_cast<const char*>(bytes_.data()) + range.first, range.count};
}

std::span<const Pickle::Id> Pickle::children(Id id) const {
  const Node& node = nodes_[id];
  switch (node.kind) {
    case Kind::tuple:
    case Kind::global:
    case Kind::persistent: return {edges_.data() + node.range.first, node.range.count};
    case Kind::list:
    case Kind::set:
    case Kind::dict:
    case Kind::object:
      if (node.range.first == kNoId) return {};
      return lists_[node.range.first];
    default: return {};
  }
}

Pickle::Id Pickle::find(Id dict, std::string_view key) const {
  const auto items = children(dict);
  for (size_t i = items.size(); i >= 2; i -= 2)
    if (kind(items[i - 2]) == Kind::string && text(items[i - 2]) == key) return items[i - 1];
  return kNoId;
}

std::string Pickle::global_name(Id id) const {
  const auto names = children(id);
  return std::string(text(names[0])) + "." + std::string(text(names[1]));
}

std::string describe(const Pickle& pickle, Pickle::Id id) {
  using Kind = Pickle::Kind;
  const size_t count = pickle.children(id).size();
  switch (pickle.kind(id)) {
    case Kind::none: return "None";
    case Kind::boolean: return pickle.boolean(id) ? "True" : "False";
    case Kind::integer: return text("integer ", pickle.integer(id));
    case Kind::big_integer: return text("integer of ", pickle.text(id).size(), " bytes");
    case Kind::real: return text("number ", pickle.real(id));
    case Kind::string: return "string " + printable(pickle.text(id));
    case Kind::bytes: return text(pickle.text(id).size(), " bytes");
    case Kind::tuple: return text("tuple of ", count);
    case Kind::list: return text("list of ", count);
    case Kind::set: return text("set of ", count);
    case Kind::dict: return text("dict of ", count / 2);
    case Kind::global: return "name " + pickle.global_name(id);
    case Kind::persistent: return "storage";
    case Kind::object: {
      const Pickle::Id callee = pickle.children(id)[0];
      return pickle.kind(callee) == Kind::global ? "object made by " + pickle.global_name(callee) : "object";
    }
  }
  return "";
}

}  // namespace tessera

#include "io/pickle.h"

#include <memory>

#include "tests/fuzz/targets.h"

namespace tessera::fuzz {

// Every node can be looked at, and points at nodes alone.
void pickle(Bytes bytes) {
  std::unique_ptr<Pickle> pickle;
  if (!accepted([&] { pickle = std::make_unique<Pickle>(parse_pickle(bytes, "fuzz")); })) return;
  ensure(pickle->root() < pickle->size(), "root ", pickle->root(), " of ", pickle->size());
  for (Pickle::Id id = 0; id < pickle->size(); ++id) {
    for (const Pickle::Id child : pickle->children(id))
      ensure(child < pickle->size(), "node ", id, " points at ", child);
    const Pickle::Id attributes = pickle->attributes(id);
    ensure(attributes == Pickle::kNoId || attributes < pickle->size(), "node ", id, " has attributes ", attributes);
    const std::string description = describe(*pickle, id);
    ensure(description.size() <= 2000, "node ", id, " is described in ", description.size(), " bytes");
    if (pickle->kind(id) == Pickle::Kind::dict) {
      ensure(pickle->children(id).size() % 2 == 0, "dict ", id, " has a key without a value");
      pickle->find(id, "state_dict");
    }
  }
}

}  // namespace tessera::fuzz

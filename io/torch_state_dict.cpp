#include "io/torch_state_dict.h"

#include <algorithm>
#include <set>
#include <vector>

#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using Id = Pickle::Id;
using Kind = Pickle::Kind;

constexpr int kLevels = 3;
constexpr size_t kShownBytes = 500;
constexpr size_t kMaxDicts = 10'000;  // of a level, so that long paths cannot take memory

struct Candidate {
  StateDictPlace place;
  size_t tensors;
};

size_t tensors_in(const Pickle& pickle, const TorchTensors& tensors, Id dict) {
  const auto items = pickle.children(dict);
  size_t count = 0;
  for (size_t i = 1; i < items.size(); i += 2) count += tensors.is_tensor(items[i]);
  return count;
}

std::vector<Candidate> find_candidates(const Pickle& pickle, const TorchTensors& tensors) {
  const Id root = pickle.root();
  const size_t here = tensors_in(pickle, tensors, root);
  std::set<Id> seen{root};
  std::vector<Candidate> level{{{"", root, root}, here}}, found;
  for (int depth = 0; depth < kLevels && found.empty(); ++depth) {
    std::vector<Candidate> next;
    for (const Candidate& outer : level) {
      const auto items = pickle.children(outer.place.id);
      for (size_t i = 0; i + 1 < items.size() && next.size() < kMaxDicts; i += 2) {
        const Id id = items[i + 1];
        if (pickle.kind(items[i]) != Kind::string || pickle.kind(id) != Kind::dict || !seen.insert(id).second)
          continue;  // an optimiser's moments lie under numbers
        const std::string_view key = pickle.text(items[i]);
        const std::string name = key.size() <= kShownBytes ? escape_controls(key) : printable(key);
        const std::string path = outer.place.path + (outer.place.path.empty() ? "" : ".") + name;
        next.push_back({{path, id, depth == 0 ? id : outer.place.top}, tensors_in(pickle, tensors, id)});
        if (next.back().tensors > here) found.push_back(next.back());
      }
    }
    level = std::move(next);
  }
  return found;
}

// The one that is meant; null where that cannot be told.
const Candidate* choose(const std::vector<Candidate>& found) {
  if (found.size() == 1) return &found.front();
  for (const std::string name : {"model_state_dict", "model", "module", "net", "network", "weights", "params", "ema"})
    for (const Candidate& candidate : found)
      if (candidate.place.path == name || candidate.place.path.ends_with("." + name)) return &candidate;
  size_t all = 0;
  for (const Candidate& candidate : found) all += candidate.tensors;
  for (const Candidate& candidate : found)
    if (candidate.tensors > 2 * (all - candidate.tensors)) return &candidate;
  return nullptr;
}

}  // namespace

StateDictPlace find_state_dict(const Pickle& pickle, const TorchTensors& tensors, const std::string& file) {
  const Id root = pickle.root(), usual = pickle.find(root, "state_dict");
  if (usual != Pickle::kNoId && (pickle.kind(usual) != Kind::dict || tensors_in(pickle, tensors, usual) > 0))
    return {"state_dict", usual, usual};
  const std::vector<Candidate> found = find_candidates(pickle, tensors);
  if (found.empty()) return {"", root, root};
  if (const Candidate* chosen = choose(found)) return chosen->place;
  std::string names;
  for (const Candidate& candidate : found)
    if (names.size() < kShownBytes) names += text(names.empty() ? "" : ", ", "'", candidate.place.path, "'");
  fail(file, ": ", found.size(), " dicts hold tensors, ", names, "; save the one that is meant by itself");
}

}  // namespace tessera

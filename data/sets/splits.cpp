#include "data/sets/splits.h"

#include <algorithm>
#include <string>
#include <utility>

namespace tessera {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool is_split(std::string_view split) {
  for (const char* exact : {"train", "restval", "val", "test"})
    if (split == exact) return true;
  return split.starts_with("val_") || split.starts_with("test_");
}

std::string_view split_of_word(std::string_view word) {
  std::string small(word.substr(0, 16));
  std::transform(small.begin(), small.end(), small.begin(), lower);
  for (const auto& [known, split] : {std::pair{"train", "train"},
                                     {"training", "train"},
                                     {"val", "val"},
                                     {"valid", "val"},
                                     {"validation", "val"},
                                     {"dev", "val"},
                                     {"test", "test"}})
    if (small == known) return split;
  return word;
}

std::string_view split_of_file_name(std::string_view name) {
  const auto is_letter = [](char c) { return lower(c) >= 'a' && lower(c) <= 'z'; };
  std::string_view found;
  while (!name.empty()) {
    const auto end = std::find_if_not(name.begin(), name.end(), is_letter);
    const std::string_view word = name.substr(0, static_cast<size_t>(end - name.begin()));
    const std::string_view split = split_of_word(word);
    if (split == "train" || split == "val" || split == "test") {
      if (!found.empty() && split != found) return {};
      found = split;
    }
    name.remove_prefix(std::max<size_t>(word.size(), 1));
  }
  return found;
}

// FNV-1a (Fowler, Noll, Vo), its bits then mixed as in MurmurHash3: the last letters of names count as the first do.
uint64_t split_key(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdu;
  hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53u;
  return hash ^ hash >> 33;
}

std::vector<std::string_view> held_out_splits(const std::vector<uint64_t>& keys) {
  std::vector<std::string_view> splits(keys.size(), "train");
  if (keys.size() < 3) return splits;
  std::vector<std::pair<uint64_t, size_t>> order;
  order.reserve(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) order.emplace_back(keys[i], i);
  const size_t share = std::max<size_t>(1, (keys.size() + 10) / 20);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(2 * share), order.end());
  for (size_t i = 0; i < 2 * share; ++i) splits[order[i].second] = i < share ? "val" : "test";
  return splits;
}

}  // namespace tessera

// From the ids of a file to indices: a table with open addressing, a third of the memory of std::unordered_map.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera {

class IdIndex {
 public:
  // `id`: 0 or more. False, and nothing changes, if it is there already.
  bool insert(int64_t id, int64_t index) {
    if (4 * (count_ + 1) > 3 * entries_.size()) grow();
    Entry& entry = entries_[place(id)];
    if (entry.id == id) return false;
    entry = {id, index};
    ++count_;
    return true;
  }
  // Null if the id is not there.
  int64_t* find(int64_t id) {
    if (id < 0 || entries_.empty()) return nullptr;
    Entry& entry = entries_[place(id)];
    return entry.id == id ? &entry.index : nullptr;
  }
  const int64_t* find(int64_t id) const { return const_cast<IdIndex*>(this)->find(id); }

 private:
  struct Entry {
    int64_t id = -1, index = 0;  // -1: free
  };

  // Where the id is, or the free place where it would be: one of the entries is always free.
  size_t place(int64_t id) const {
    // Scattered over the table: runs of neighbouring ids would grow together and make long searches.
    uint64_t hash = static_cast<uint64_t>(id) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 32;
    for (size_t i = hash;; ++i) {
      const Entry& entry = entries_[i & (entries_.size() - 1)];
      if (entry.id == id || entry.id < 0) return i & (entries_.size() - 1);
    }
  }
  void grow() {
    std::vector<Entry> old(entries_.empty() ? 64 : 2 * entries_.size());
    old.swap(entries_);
    for (const Entry& entry : old)
      if (entry.id >= 0) entries_[place(entry.id)] = entry;
  }

  std::vector<Entry> entries_;  // a power of two
  size_t count_ = 0;
};

}  // namespace tessera

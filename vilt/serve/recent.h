// What was made lately, kept up to a number of bytes.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace tessera::serve {

// By name; what was asked for longest ago is forgotten first. Safe for several threads.
template <class T>
class Recent {
 public:
  explicit Recent(int64_t bytes) : most_(bytes) {}

  // Null if it is not there.
  std::shared_ptr<const T> find(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(name);
    if (found == places_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->value;
  }

  // What has more than all bytes is not kept.
  void keep(const std::string& name, std::shared_ptr<const T> value, int64_t bytes) {
    const std::lock_guard lock(mutex_);
    if (bytes > most_ || places_.contains(name)) return;
    entries_.push_front({name, std::move(value), bytes});
    places_[name] = entries_.begin();
    bytes_ += bytes;
    while (bytes_ > most_) {
      bytes_ -= entries_.back().bytes;
      places_.erase(entries_.back().name);
      entries_.pop_back();
    }
  }

 private:
  struct Entry {
    std::string name;
    std::shared_ptr<const T> value;
    int64_t bytes;
  };
  const int64_t most_;
  int64_t bytes_ = 0;
  std::mutex mutex_;
  std::list<Entry> entries_;
  std::unordered_map<std::string, typename std::list<Entry>::iterator> places_;
};

}  // namespace tessera::serve

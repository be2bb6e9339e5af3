// Images that cannot be used: named once, counted, never read again, replaced. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>

namespace tessera {

class Quarantine {
 public:
  Quarantine(int64_t limit, std::function<void(const std::string&)> report)
      : limit_(limit), report_(std::move(report)) {}
  bool contains(int64_t image) const;
  // Reports the first time; throws when there are more than the limit.
  void add(int64_t image, const std::string& reason);
  int64_t count() const;

 private:
  mutable std::mutex mutex_;
  std::set<int64_t> images_;
  int64_t limit_;
  std::function<void(const std::string&)> report_;
};

}  // namespace tessera

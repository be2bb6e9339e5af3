// How often an address may ask.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>

namespace tessera::serve {

// A bucket for each address: it holds ten seconds' worth of requests and is filled evenly. Safe for several threads.
class RateLimit {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit RateLimit(double per_second) : per_second_(per_second) {}
  // Whether the address may ask now; if so this one counts. Of many addresses those are forgotten whose buckets are
  // full.
  bool allows(const std::string& address, Time now);

 private:
  struct Bucket {
    double left;
    Time at;
  };
  static constexpr double kSeconds = 10;
  double filled(const Bucket& bucket, Time now) const;

  const double per_second_;
  std::mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace tessera::serve

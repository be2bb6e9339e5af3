#include "vilt/serve/rate.h"

#include <algorithm>

namespace tessera::serve {

double RateLimit::filled(const Bucket& bucket, Time now) const {
  const double seconds = std::chrono::duration<double>(now - bucket.at).count();
  return std::min(kSeconds * per_second_, bucket.left + std::max(0.0, seconds) * per_second_);
}

bool RateLimit::allows(const std::string& address, Time now) {
  constexpr size_t kMostAddresses = 10'000;
  const std::lock_guard lock(mutex_);
  if (buckets_.size() >= kMostAddresses)
    std::erase_if(buckets_, [&](const auto& entry) { return filled(entry.second, now) >= kSeconds * per_second_; });
  const auto found = buckets_.find(address);
  // So many at once are an attack, or a network that knows better limits.
  if (found == buckets_.end() && buckets_.size() >= kMostAddresses) return false;
  Bucket& bucket = found != buckets_.end() ? found->second : buckets_[address] = {kSeconds * per_second_, now};
  bucket = {filled(bucket, now), now};
  if (bucket.left < 1) return false;
  bucket.left -= 1;
  return true;
}

}  // namespace tessera::serve

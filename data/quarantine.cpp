#include "data/quarantine.h"

#include "tensor/error.h"

namespace tessera {

bool Quarantine::contains(int64_t image) const {
  const std::lock_guard lock(mutex_);
  return images_.contains(image);
}

void Quarantine::add(int64_t image, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (!images_.insert(image).second) return;
  if (report_) report_(reason);
  check(static_cast<int64_t>(images_.size()) <= limit_, "data: ", images_.size(), " images cannot be used, more than ",
        setting_, " (", limit_, "); the last: ", reason);
}

int64_t Quarantine::count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(images_.size());
}

}  // namespace tessera

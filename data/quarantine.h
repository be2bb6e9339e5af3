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
  using Report = std::function<void(const std::string&)>;

  // `setting`: by which the limit is set.
  Quarantine(int64_t limit, Report report, std::string setting = "data.max_bad_files")
      : limit_(limit), report_(std::move(report)), setting_(std::move(setting)) {}
  bool contains(int64_t image) const;
  // Reports the first time; throws when there are more than the limit.
  void add(int64_t image, const std::string& reason);
  int64_t count() const;
  // For another quarantine beside this one.
  int64_t limit() const { return limit_; }
  const Report& report() const { return report_; }

 private:
  mutable std::mutex mutex_;
  std::set<int64_t> images_;
  int64_t limit_;
  Report report_;
  std::string setting_;
};

}  // namespace tessera

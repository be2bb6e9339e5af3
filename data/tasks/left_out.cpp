#include "data/tasks/left_out.h"

#include "tensor/error.h"

namespace tessera {

void LeftOut::add(const std::string& reason) {
  constexpr size_t kNamed = 10;
  ++count;
  if (reasons.size() < kNamed) reasons.push_back(reason);
}

void LeftOut::check(int64_t most, int64_t rest, const std::string& where) const {
  if (count <= most) return;
  const std::string limit = most > 0 ? text("; at most ", most, " may be left out") : "";
  if (count == 1) fail(reasons.front(), limit);
  std::string message = text(where, ": ", count, " of ", count + rest, " lines cannot be used", limit, ":");
  for (const std::string& reason : reasons) message += "\n  " + reason;
  const auto named = static_cast<int64_t>(reasons.size());
  if (count > named) message += text("\n  … and ", count - named, " more");
  fail(message);
}

}  // namespace tessera

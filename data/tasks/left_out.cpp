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
  std::string message = count == 1 ? "" : text(where, ": ", count, " of ", count + rest, " lines cannot be used:");
  for (const std::string& reason : reasons) message += (count == 1 ? "" : "\n  ") + reason;
  if (count > static_cast<int64_t>(reasons.size())) message += "\n  ...";
  if (most > 0) message += text(count == 1 ? "" : "\n", "; at most ", most, " may be left out");
  fail(message);
}

}  // namespace tessera

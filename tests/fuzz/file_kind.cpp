#include "io/file_kind.h"

#include <algorithm>

#include "tests/fuzz/targets.h"

namespace tessera::fuzz {

void file_kind(Bytes bytes) {
  const std::string kind = tessera::file_kind(bytes), message = wrong_kind(bytes, "another");
  ensure(kind == tessera::file_kind(bytes.first(std::min(bytes.size(), kFileKindBytes))), "more bytes were looked at");
  ensure(kind.empty() || message.find(kind) != std::string::npos, "the message lacks the kind");
  for (const char c : message) ensure(c >= 0x20 && c < 0x7f, "the message holds byte ", int{c});
}

}  // namespace tessera::fuzz

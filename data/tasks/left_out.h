// What a reader of lists could not use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera {

struct LeftOut {
  int64_t count = 0;
  std::vector<std::string> reasons;  // of the first ten: file, line and what is wrong with it

  void add(const std::string& reason);
  // Throws if there are more than `most`. `rest`: how many could be used. `where` begins the message.
  void check(int64_t most, int64_t rest, const std::string& where) const;
};

}  // namespace tessera

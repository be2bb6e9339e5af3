// Tables as text, RFC 4180: records of fields between separators; a field in double quotes may hold separators, line
// ends and, doubled, quotes. Internal to data/sets/.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "io/files.h"

namespace tessera {

struct ValueRecord {
  int64_t line = 1;  // where it begins
  std::vector<std::string> fields;
  std::string damage;  // why its fields cannot be told apart; empty of a good one
};

// Calls `handle` with every record; an empty line is none. Ends of lines are those of Unix or Windows. Where the
// separator is a tab, a field that begins with a quote and is not ended by one is taken as it stands, since most such
// files know no quotes. A record of more than kLongestLine bytes is an error, which begins with `where`.
void for_each_value_record(const TextPieces& contents, char separator, const std::string& where,
                           const std::function<void(const ValueRecord& record)>& handle);

}  // namespace tessera

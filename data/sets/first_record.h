// What the beginning of a JSON text tells of its layout. Internal to data/sets/.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// The keys at the beginning of a JSON text: those of the outermost object, and those of the first object in an array
// that is outermost itself or such a key's value. Later ones are not looked for: what follows may be large, cut or
// damaged.
struct FirstRecord {
  bool list = false;              // an array is outermost ...
  bool list_of_lists = false;     // ... and its first entry is one, too
  std::vector<std::string> keys;  // of the outermost object, as far as was read
  std::string within;             // the key of the array that holds the record
  std::vector<std::string> record;
};

FirstRecord first_record(std::string_view beginning);

using KeyNames = std::initializer_list<std::string_view>;
bool has_any(const std::vector<std::string>& keys, KeyNames names);

}  // namespace tessera

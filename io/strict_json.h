// JSON from untrusted files, read strictly: duplicate keys, NaN, invalid UTF-8, trailing text, deep nesting and numbers
// out of range are errors that say where. Internal to data/: only .cpp files include it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "io/files.h"

namespace tessera {

// `value` for use in a message: quoted, at most 60 bytes, control characters replaced.
std::string quoted_text(std::string_view value);

// "a string", "an array", "null", ...
std::string described_type(const nlohmann::json& value);

// One value. `where` starts every message, e.g. "annotations.jsonl, line 7".
nlohmann::json parse_strict_json(std::string_view json, const std::string& where);

// Reads {"<key>": [..., ...], ...} and calls `handle(key, index, entry)` with each entry of the arrays under these keys
// as soon as it is complete, so that only one is in memory at a time, and of the text one piece. With no keys it is the
// outermost value that is the array, and "" its key. Values under a key named `skipped_key` in an entry are dropped
// unread.
using EntryHandler = std::function<void(const std::string& key, int64_t index, const nlohmann::json& entry)>;
void for_each_json_entry(const TextPieces& json, const std::vector<std::string>& keys, const std::string& skipped_key,
                         const std::string& where, const EntryHandler& handle);
// The same for one array, whose entries have to be objects.
using RecordHandler = std::function<void(int64_t index, const nlohmann::json& record)>;
void for_each_json_record(const TextPieces& json, const std::string& key, const std::string& skipped_key,
                          const std::string& where, const RecordHandler& handle);

// Typed fields of one object; a missing field or one of another type is an error that names it.
class JsonFields {
 public:
  JsonFields(const nlohmann::json& object, std::string where);

  bool has(const char* field) const { return object_.contains(field); }
  int64_t identifier(const char* field) const;  // an integer in [0, 2^63)
  int64_t integer(const char* field) const;
  const std::string& string(const char* field) const;
  const nlohmann::json& array(const char* field) const;
  const nlohmann::json& object(const char* field) const;
  const std::string& where() const { return where_; }

 private:
  const nlohmann::json& field(const char* field) const;
  void expect(bool right, const char* field, const char* expected) const;
  const nlohmann::json& object_;
  std::string where_;
};

}  // namespace tessera

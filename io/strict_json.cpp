#include "io/strict_json.h"

#include <unordered_set>
#include <vector>

#include "tensor/error.h"

namespace tessera {

using nlohmann::json;

namespace {

constexpr int kDeepest = 32;

std::string shown(std::string_view value, size_t longest) {
  std::string out;
  for (const char c : value.substr(0, longest)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  if (value.size() > longest) out += "...";
  return out;
}

// nlohmann's text without its "[json.exception.parse_error.101] " prefix.
std::string reason(const json::exception& error) {
  std::string_view what = error.what();
  if (const size_t end = what.find("] "); what.starts_with('[') && end != std::string_view::npos) what.remove_prefix(end + 2);
  return shown(what, 200);
}

// Watches the parser's events for what nlohmann-json would let pass. The parser does not recurse, and neither does this.
class Watch {
 public:
  explicit Watch(const std::string& where) : where_(where) {}

  void operator()(int depth, json::parse_event_t event, const json& parsed) {
    check(depth <= kDeepest, where_, ": values nested deeper than ", kDeepest);
    if (event == json::parse_event_t::object_start) {
      // The end of an object that is being dropped is not reported, so levels are cleared when they are entered.
      if (keys_.size() <= static_cast<size_t>(depth)) keys_.resize(static_cast<size_t>(depth) + 1);
      keys_[static_cast<size_t>(depth)].clear();
    } else if (event == json::parse_event_t::key) {
      const std::string& key = parsed.get_ref<const std::string&>();
      check(keys_[static_cast<size_t>(depth) - 1].insert(key).second, where_, ": duplicate key ", quoted_text(key));
    }
  }

 private:
  const std::string& where_;
  std::vector<std::unordered_set<std::string>> keys_;
};

json parse(std::string_view text, const json::parser_callback_t& callback, const std::string& where) {
  try {
    return json::parse(text.begin(), text.end(), callback);
  } catch (const json::exception& error) {
    fail(where, ": not valid JSON: ", reason(error));
  }
}

}  // namespace

std::string quoted_text(std::string_view value) { return text('\'', shown(value, 60), '\''); }

std::string described_type(const json& value) {
  if (value.is_null()) return "null";
  return text(value.is_structured() ? "an " : "a ", value.type_name());
}

json parse_strict_json(std::string_view text, const std::string& where) {
  Watch watch(where);
  return parse(text, [&](int depth, json::parse_event_t event, json& parsed) {
    watch(depth, event, parsed);
    return true;
  }, where);
}

void for_each_json_record(std::string_view text, const std::string& key, const std::string& skipped_key,
                          const std::string& where, const RecordHandler& handle) {
  using Event = json::parse_event_t;
  Watch watch(where);
  std::string top;  // the key of the outermost object that is being read
  int64_t index = 0;
  const auto callback = [&](int depth, Event event, json& parsed) {
    watch(depth, event, parsed);
    check(depth > 0 || event == Event::object_start || event == Event::object_end, where,
          ": the file holds something else than one JSON object");
    if (event == Event::key) {
      const std::string& name = parsed.get_ref<const std::string&>();
      if (depth == 1) top = name;
      return depth == 1 || name != skipped_key;
    }
    if (top != key) return true;
    check(depth != 1 || event == Event::array_start || event == Event::array_end, where, ": field '", key, "' is not an array");
    check(depth != 2 || event == Event::object_start || event == Event::object_end, where, ": entry ", index, " of '", key,
          "' is not an object");
    if (depth == 2 && event == Event::object_end) {
      handle(index++, parsed);
      return false;  // handled: keep nothing of it
    }
    return true;
  };
  const json rest = parse(text, callback, where);
  check(rest.contains(key), where, ": field '", key, "' is missing");
}

JsonFields::JsonFields(const json& object, std::string where) : object_(object), where_(std::move(where)) {
  check(object.is_object(), where_, ": not a JSON object");
}

const json& JsonFields::field(const char* field) const {
  const auto found = object_.find(field);
  check(found != object_.end(), where_, ": field '", field, "' is missing");
  return *found;
}

int64_t JsonFields::integer(const char* name) const {
  const json& value = field(name);
  check(value.is_number(), where_, ": field '", name, "' is ", described_type(value), ", expected an integer");
  // Integers beyond 64 bits arrive as floating-point numbers, those beyond 63 as unsigned ones.
  const bool fits = value.is_number_integer() && (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX);
  check(fits, where_, ": field '", name, "' is ", shown(value.dump(), 40), ", expected an integer of at most 63 bits");
  return value.get<int64_t>();
}

int64_t JsonFields::identifier(const char* name) const {
  const int64_t value = integer(name);
  check(value >= 0, where_, ": field '", name, "' is ", value, ", expected 0 or more");
  return value;
}

std::string JsonFields::string(const char* name) const {
  const json& value = field(name);
  check(value.is_string(), where_, ": field '", name, "' is ", described_type(value), ", expected a string");
  return value.get<std::string>();
}

const json& JsonFields::array(const char* name) const {
  const json& value = field(name);
  check(value.is_array(), where_, ": field '", name, "' is ", described_type(value), ", expected an array");
  return value;
}

const json& JsonFields::object(const char* name) const {
  const json& value = field(name);
  check(value.is_object(), where_, ": field '", name, "' is ", described_type(value), ", expected an object");
  return value;
}

}  // namespace tessera

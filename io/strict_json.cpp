#include "io/strict_json.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>
#include <vector>

#include "io/file_kind.h"
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
  if (const size_t end = what.find("] "); what.starts_with('[') && end != std::string_view::npos)
    what.remove_prefix(end + 2);
  return shown(what, 200);
}

// Where JSON was expected and the text is a file of another well-known kind, that it is; else nothing.
std::string another_kind(std::string_view text) {
  const std::string kind = file_kind(text.substr(0, kFileKindBytes));
  for (const char* of_text : {"JSON", "text ", "blank", "empty", "cut short"})
    if (kind.starts_with(of_text)) return {};
  return kind;
}

// The keys of one object, to find doubled ones: few are compared one by one, in memory that is used again.
class Keys {
 public:
  void clear() {
    count_ = 0;
    many_.clear();
  }
  // False if it is there already.
  bool insert(const std::string& key) {
    constexpr size_t kFew = 16;
    for (size_t i = 0; i < std::min(count_, kFew); ++i)
      if (few_[i] == key) return false;
    if (count_ < kFew) {
      if (few_.size() == count_) few_.emplace_back();
      few_[count_] = key;
    } else if (!many_.insert(key).second) {
      return false;
    }
    ++count_;
    return true;
  }

 private:
  size_t count_ = 0;
  std::vector<std::string> few_;
  std::unordered_set<std::string> many_;
};

// Watches the parser's events for what nlohmann-json would let pass. The parser does not recurse, and neither does
// this. The depth of an event is the number of objects and arrays around it.
class Watch {
 public:
  explicit Watch(const std::string& where) : where_(where) {}

  void event(int depth) const { check(depth <= kDeepest, where_, ": values nested deeper than ", kDeepest); }
  void object_start(int depth) {
    event(depth);
    if (keys_.size() <= static_cast<size_t>(depth)) keys_.resize(static_cast<size_t>(depth) + 1);
    keys_[static_cast<size_t>(depth)].clear();
  }
  void key(int depth, const std::string& key) {
    event(depth);
    if (!keys_[static_cast<size_t>(depth) - 1].insert(key)) fail(where_, ": duplicate key ", quoted_text(key));
  }

 private:
  const std::string& where_;
  std::vector<Keys> keys_;
};

// A text in pieces as the parser reads it.
class PieceIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  PieceIterator() = default;  // the end
  explicit PieceIterator(const TextPieces& pieces) : pieces_(&pieces) { refill(); }

  reference operator*() const { return *at_; }
  PieceIterator& operator++() {
    if (++at_ == end_) refill();
    return *this;
  }
  void operator++(int) { ++*this; }
  bool operator==(const PieceIterator& other) const { return (at_ == end_) == (other.at_ == other.end_); }

 private:
  void refill() {
    const std::string_view piece = (*pieces_)();
    at_ = piece.data();
    end_ = at_ + piece.size();
  }

  const TextPieces* pieces_ = nullptr;
  const char *at_ = nullptr, *end_ = nullptr;
};

// Takes the parser's events (nlohmann's SAX interface) and builds each entry of the arrays by itself.
class EntryReader {
 public:
  EntryReader(const std::vector<std::string>& keys, const std::string& skipped_key, const std::string& where,
              const EntryHandler& handle)
      : keys_(keys),
        skipped_key_(skipped_key),
        where_(where),
        handle_(handle),
        watch_(where),
        in_array_(keys.empty()) {}

  // Errors unless every array was there.
  void check_found() const {
    for (const std::string& key : keys_)
      check(std::find(found_.begin(), found_.end(), key) != found_.end(), where_, ": field '", key, "' is missing");
  }

  bool null() { return value(nullptr); }
  bool boolean(bool given) { return value(given); }
  bool number_integer(json::number_integer_t given) { return value(given); }
  bool number_unsigned(json::number_unsigned_t given) { return value(given); }
  bool number_float(json::number_float_t given, const std::string&) { return value(given); }
  bool string(std::string& given) { return value(given); }
  bool binary(json::binary_t&) { return false; }  // JSON has none

  bool key(std::string& name) {
    watch_.key(depth_, name);
    if (depth_ < entry_depth()) {
      in_array_ = std::find(keys_.begin(), keys_.end(), name) != keys_.end();
      if (in_array_) found_.push_back(key_ = name);
      index_ = 0;
    } else if (skipped_from_ == 0 && name == skipped_key_) {
      skipped_from_ = depth_;
    } else if (building()) {
      place_ = &(*open_.back())[name];
    }
    return true;
  }
  bool start_object(size_t) {
    watch_.object_start(depth_);
    check_place(json::value_t::object);
    open(json::value_t::object);
    return true;
  }
  bool start_array(size_t) {
    watch_.event(depth_);
    check_place(json::value_t::array);
    open(json::value_t::array);
    return true;
  }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  [[noreturn]] bool parse_error(size_t, const std::string&, const json::exception& error) {
    fail(where_, ": not valid JSON: ", reason(error));
  }

 private:
  // The depth of the entries: below the array, which is outermost or under a key of the outermost object.
  int entry_depth() const { return keys_.empty() ? 1 : 2; }
  bool is_entry() const { return in_array_ && depth_ == entry_depth(); }
  bool building() const { return !open_.empty() && skipped_from_ == 0; }

  template <class Value>
  bool value(Value&& given) {
    watch_.event(depth_);
    check_place(json::value_t::null);
    if (is_entry()) {
      entry_ = std::forward<Value>(given);
      handle_(key_, index_++, entry_);
    } else if (building()) {
      *next_place() = std::forward<Value>(given);
    }
    if (skipped_from_ == depth_) skipped_from_ = 0;
    return true;
  }
  // `type`: object, array, or null for all others.
  void check_place(json::value_t type) const {
    if (depth_ == 0)
      check(type == (keys_.empty() ? json::value_t::array : json::value_t::object), where_,
            ": the file holds something else than one JSON ", keys_.empty() ? "array" : "object");
    else if (in_array_ && depth_ < entry_depth())
      check(type == json::value_t::array, where_, ": field '", key_, "' is not an array");
  }
  // Where the coming value goes: under the latest key, or behind the array's other entries.
  json* next_place() {
    json& parent = *open_.back();
    if (parent.is_object()) return place_;
    parent.push_back(nullptr);
    return &parent.back();
  }
  void open(json::value_t type) {
    if (is_entry()) {
      entry_ = type;
      open_.push_back(&entry_);
    } else if (building()) {
      json* place = next_place();
      *place = type;
      open_.push_back(place);
    }
    ++depth_;
  }
  bool close() {
    --depth_;
    watch_.event(depth_);
    if (skipped_from_ == 0) {
      if (!open_.empty()) open_.pop_back();
    } else if (skipped_from_ == depth_) {
      skipped_from_ = 0;
    }
    if (is_entry()) handle_(key_, index_++, entry_);
    return true;
  }

  const std::vector<std::string>& keys_;
  const std::string &skipped_key_, &where_;
  const EntryHandler& handle_;
  Watch watch_;
  int depth_ = 0;
  bool in_array_;  // below one of the arrays, or of the outermost
  std::string key_;
  std::vector<std::string> found_;
  int skipped_from_ = 0;  // the depth of the value that is being skipped; 0: none is
  int64_t index_ = 0;
  json entry_;
  std::vector<json*> open_;  // objects and arrays of the entry, from the outermost to that which is being read
  json* place_ = nullptr;    // of the latest key
};

}  // namespace

std::string quoted_text(std::string_view value) { return text('\'', shown(value, 60), '\''); }

std::string described_type(const json& value) {
  if (value.is_null()) return "null";
  return text(value.is_structured() ? "an " : "a ", value.type_name());
}

json parse_strict_json(std::string_view text, const std::string& where) {
  using Event = json::parse_event_t;
  Watch watch(where);
  const auto callback = [&](int depth, Event event, json& parsed) {
    if (event == Event::object_start)
      watch.object_start(depth);
    else if (event == Event::key)
      watch.key(depth, parsed.get_ref<const std::string&>());
    else
      watch.event(depth);
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), callback);
  } catch (const json::exception& error) {
    const std::string kind = another_kind(text);
    fail(where, ": not valid JSON: ", kind.empty() ? reason(error) : "it is " + kind);
  }
}

void for_each_json_entry(const TextPieces& text, const std::vector<std::string>& keys, const std::string& skipped_key,
                         const std::string& where, const EntryHandler& handle) {
  EntryReader reader(keys, skipped_key, where, handle);
  std::string_view first = text();
  if (const std::string kind = another_kind(first); !kind.empty()) fail(where, ": not valid JSON: it is ", kind);
  const TextPieces pieces = [&] { return first.empty() ? text() : std::exchange(first, {}); };
  json::sax_parse(PieceIterator(pieces), PieceIterator(), &reader);
  reader.check_found();
}

void for_each_json_record(const TextPieces& text, const std::string& key, const std::string& skipped_key,
                          const std::string& where, const RecordHandler& handle) {
  for_each_json_entry(text, {key}, skipped_key, where, [&](const std::string&, int64_t index, const json& entry) {
    if (!entry.is_object()) fail(where, ": entry ", index, " of '", key, "' is not an object");
    handle(index, entry);
  });
}

JsonFields::JsonFields(const json& object, std::string where) : object_(object), where_(std::move(where)) {
  check(object.is_object(), where_, ": not a JSON object");
}

const json& JsonFields::field(const char* field) const {
  const auto found = object_.find(field);
  check(found != object_.end(), where_, ": field '", field, "' is missing");
  return *found;
}

// Messages are only made when they are needed: a large file has millions of fields.
void JsonFields::expect(bool right, const char* name, const char* expected) const {
  if (!right) fail(where_, ": field '", name, "' is ", described_type(field(name)), ", expected ", expected);
}

int64_t JsonFields::integer(const char* name) const {
  const json& value = field(name);
  expect(value.is_number(), name, "an integer");
  // Integers beyond 64 bits arrive as floating-point numbers, those beyond 63 as unsigned ones.
  const bool fits = value.is_number_integer() && (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX);
  if (!fits)
    fail(where_, ": field '", name, "' is ", shown(value.dump(), 40), ", expected an integer of at most 63 bits");
  return value.get<int64_t>();
}

int64_t JsonFields::identifier(const char* name) const {
  const int64_t value = integer(name);
  check(value >= 0, where_, ": field '", name, "' is ", value, ", expected 0 or more");
  return value;
}

const std::string& JsonFields::string(const char* name) const {
  const json& value = field(name);
  expect(value.is_string(), name, "a string");
  return value.get_ref<const std::string&>();
}

const json& JsonFields::array(const char* name) const {
  const json& value = field(name);
  expect(value.is_array(), name, "an array");
  return value;
}

const json& JsonFields::object(const char* name) const {
  const json& value = field(name);
  expect(value.is_object(), name, "an object");
  return value;
}

}  // namespace tessera

#include "io/safetensors_header.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tensor/error.h"

namespace tessera::safetensors {
namespace {

using Json = nlohmann::json;

// Takes the parser's events and accepts only the one structure that a header has. No tree is built: a deeply nested or
// endless value ends at its first bracket that does not belong there.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(const std::string& path) : path_(path) {}

  Header take() { return std::move(header_); }

  bool start_object(std::size_t) override {
    switch (place_) {
      case Place::start: place_ = Place::top; return true;
      case Place::top: return enter_top_value();
      default: unexpected("an object");
    }
  }
  bool end_object() override {
    if (place_ == Place::info) finish_entry();
    place_ = place_ == Place::top ? Place::end : Place::top;
    return true;
  }
  bool key(std::string& name) override {
    if (place_ == Place::top) {
      name_ = name;
    } else if (place_ == Place::metadata) {
      check(!header_.metadata.count(name), path_, ": key '", name, "' occurs twice in __metadata__");
      key_ = name;
    } else {
      field_ = name == "dtype" ? kDType : name == "shape" ? kShape : name == "data_offsets" ? kOffsets : 0u;
      check(field_ != 0, path_, ": tensor '", name_, "': unknown field '", name, "'");
      check(!(seen_ & field_), path_, ": tensor '", name_, "': field '", name, "' occurs twice");
      seen_ |= field_;
    }
    return true;
  }
  bool string(std::string& value) override {
    if (place_ == Place::metadata)
      header_.metadata.emplace(key_, value);
    else if (place_ == Place::info && field_ == kDType)
      entry_->dtype = value;
    else
      unexpected("a string");
    return true;
  }
  bool start_array(std::size_t) override {
    if (place_ != Place::info || field_ == kDType) unexpected("a list");
    place_ = Place::list;
    offsets_ = 0;
    return true;
  }
  bool end_array() override {
    check(field_ != kOffsets || offsets_ == 2, path_, ": tensor '", name_, "': data_offsets has ", offsets_,
          " numbers, expected 2");
    place_ = Place::info;
    return true;
  }
  bool number_unsigned(uint64_t value) override {
    if (place_ != Place::list) unexpected("a number");
    if (field_ == kShape) {
      check(value <= uint64_t{INT64_MAX}, path_, ": tensor '", name_, "': size ", value, " is too large");
      check(entry_->shape.dim() < Shape::kMaxDims, path_, ": tensor '", name_, "': more than ", Shape::kMaxDims,
            " dimensions");
      entry_->shape.push_back(static_cast<int64_t>(value));
    } else {
      check(offsets_ < 2, path_, ": tensor '", name_, "': data_offsets has more than 2 numbers");
      (offsets_++ == 0 ? entry_->begin : entry_->end) = value;
    }
    return true;
  }
  bool number_integer(int64_t value) override {
    if (place_ == Place::list) fail(path_, ": tensor '", name_, "': number ", value, " is negative");
    unexpected("a number");
  }
  bool number_float(double, const std::string& digits) override {
    if (place_ == Place::list)
      fail(path_, ": tensor '", name_, "': ", shortened(digits), " is not a whole number below 2^64");
    unexpected("a number");
  }
  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("true or false"); }
  bool binary(binary_t&) override { unexpected("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fail(path_, ": header is not valid JSON (at byte ", position, " of it)");
  }

 private:
  enum class Place { start, top, metadata, info, list, end };
  static constexpr unsigned kDType = 1, kShape = 2, kOffsets = 4;

  bool enter_top_value() {
    if (name_ == "__metadata__") {
      check(!has_metadata_, path_, ": __metadata__ occurs twice");
      has_metadata_ = true;
      place_ = Place::metadata;
      return true;
    }
    const auto [position, is_new] = header_.entries.try_emplace(name_);
    check(is_new, path_, ": tensor '", name_, "' occurs twice");
    entry_ = &position->second;
    seen_ = 0;
    place_ = Place::info;
    return true;
  }

  void finish_entry() {
    check(seen_ & kDType, path_, ": tensor '", name_, "' has no dtype");
    check(seen_ & kShape, path_, ": tensor '", name_, "' has no shape");
    check(seen_ & kOffsets, path_, ": tensor '", name_, "' has no data_offsets");
  }

  static std::string shortened(const std::string& value) {
    return value.size() <= 40 ? value : value.substr(0, 40) + "...";
  }

  const char* field_name() const {
    if (field_ == kDType) return "dtype";
    return field_ == kShape ? "shape" : "data_offsets";
  }

  [[noreturn]] void unexpected(const char* what) {
    switch (place_) {
      case Place::start: fail(path_, ": header is ", what, ", expected an object");
      case Place::metadata: fail(path_, ": __metadata__ '", key_, "' is ", what, ", expected a string");
      case Place::info:
        fail(path_, ": tensor '", name_, "': ", field_name(), " is ", what, ", expected ",
             field_ == kDType ? "a string" : "a list of whole numbers");
      case Place::list: fail(path_, ": tensor '", name_, "': list holds ", what, ", expected whole numbers");
      default: fail(path_, ": entry '", name_, "' is ", what, ", expected an object");
    }
  }

  const std::string& path_;
  Header header_;
  Place place_ = Place::start;
  std::string name_, key_;
  Entry* entry_ = nullptr;
  unsigned field_ = 0, seen_ = 0;
  int offsets_ = 0;
  bool has_metadata_ = false;
};

void check_sizes(const std::string& name, const Entry& entry, uint64_t data_bytes, const std::string& path) {
  const int64_t element = element_bytes(entry.dtype);
  check(element > 0, path, ": tensor '", name, "': dtype '", entry.dtype.substr(0, 40),
        "' is not supported; expected F32, F64, BF16, F16, I64, I32, U8 or BOOL");
  // A size of 0 must not hide that the others, and so the strides, overflow.
  int64_t bytes = element;
  bool empty = false;
  for (const int64_t size : entry.shape) {
    empty = empty || size == 0;
    check(!__builtin_mul_overflow(bytes, std::max<int64_t>(size, 1), &bytes), path, ": tensor '", name, "': shape ",
          entry.shape, " has too many elements");
  }
  if (empty) bytes = 0;
  check(entry.begin <= entry.end, path, ": tensor '", name, "': data_offsets [", entry.begin, ", ", entry.end,
        "] run backwards");
  check(entry.end <= data_bytes, path, ": tensor '", name, "': data_offsets [", entry.begin, ", ", entry.end,
        "] lie outside the file's ", data_bytes, " bytes of data; the file may be cut short");
  check(entry.end - entry.begin == static_cast<uint64_t>(bytes), path, ": tensor '", name, "': data_offsets [",
        entry.begin, ", ", entry.end, "] span ", entry.end - entry.begin, " bytes, but ", entry.dtype, " ", entry.shape,
        " takes ", bytes);
}

void check_contiguous(const Header& header, uint64_t data_bytes, const std::string& path) {
  using Item = std::pair<const std::string, Entry>;
  std::vector<const Item*> order;
  order.reserve(header.entries.size());
  for (const Item& item : header.entries) order.push_back(&item);
  std::sort(order.begin(), order.end(), [](const Item* a, const Item* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  uint64_t expected = 0;
  for (const Item* item : order) {
    check(item->second.begin == expected, path, ": tensor '", item->first, "': data begins at ", item->second.begin,
          ", expected ", expected, item->second.begin > expected ? " (a gap)" : " (an overlap)");
    expected = item->second.end;
  }
  check(expected == data_bytes, path, ": ", data_bytes - expected, " bytes follow the last tensor");
}

std::string quoted(const std::string& value, const std::string& path) {
  try {
    return Json(value).dump();
  } catch (const Json::exception&) {
    fail(path, ": a name or metadata entry is not valid UTF-8");
  }
}

}  // namespace

int64_t element_bytes(std::string_view dtype) {
  if (dtype == "F64" || dtype == "I64") return 8;
  if (dtype == "F32" || dtype == "I32") return 4;
  if (dtype == "F16" || dtype == "BF16") return 2;
  if (dtype == "U8" || dtype == "BOOL") return 1;
  return 0;
}

Header parse_header(std::string_view json, uint64_t data_bytes, const std::string& path) {
  check(!json.empty() && json[0] == '{', path, ": header does not begin with '{'; not a safetensors file?");
  HeaderReader reader(path);
  Json::sax_parse(json.begin(), json.end(), &reader);
  Header header = reader.take();
  for (const auto& [name, entry] : header.entries) check_sizes(name, entry, data_bytes, path);
  check_contiguous(header, data_bytes, path);
  return header;
}

std::string write_header(const std::vector<std::pair<std::string, Entry>>& entries,
                         const std::map<std::string, std::string>& metadata, const std::string& path) {
  std::string json = "{";
  const auto separate = [&json] { json += json.size() > 1 && json.back() != '{' ? "," : ""; };
  if (!metadata.empty()) {
    json += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      separate();
      json += quoted(key, path) + ":" + quoted(value, path);
    }
    json += "}";
  }
  for (const auto& [name, entry] : entries) {
    check(name != "__metadata__", path, ": a tensor cannot be named __metadata__");
    separate();
    json += quoted(name, path) + ":{\"dtype\":\"" + entry.dtype + "\",\"shape\":[";
    for (int i = 0; i < entry.shape.dim(); ++i) {
      json += i ? "," : "";
      json += std::to_string(entry.shape[i]);
    }
    json += text("],\"data_offsets\":[", entry.begin, ',', entry.end, "]}");
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  return json;
}

}  // namespace tessera::safetensors

#include "data/sets/first_record.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tessera {
namespace {

using Json = nlohmann::json;

class FirstRecordReader : public nlohmann::json_sax<Json> {
 public:
  explicit FirstRecordReader(FirstRecord& found) : found_(found) {}

  bool start_object(size_t) override {
    if (++depth_ == kMostNested) return false;
    in_record_ |= depth_ == record_depth();
    return true;
  }
  bool end_object() override {
    const bool whole = in_record_ && depth_ == record_depth();
    return --depth_ > 0 && !whole;
  }
  bool start_array(size_t) override {
    if (depth_ == 0) found_.list = true;
    if (depth_ == 1 && found_.list) {
      found_.list_of_lists = true;
      return false;
    }
    if (depth_ == 1) array_in_object_ = tells(found_.within);
    return ++depth_ < kMostNested;
  }
  bool end_array() override {
    --depth_;
    if (depth_ == 1) array_in_object_ = false;
    return depth_ > 0;
  }
  bool key(std::string& name) override {
    if (depth_ == 1 && !found_.list) {
      found_.keys.push_back(name);
      found_.within = name;
    }
    if (in_record_ && depth_ == record_depth()) found_.record.push_back(name);
    return found_.keys.size() < kMostKeys && found_.record.size() < kMostKeys;
  }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(int64_t) override { return true; }
  bool number_unsigned(uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(binary_t&) override { return false; }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  static constexpr int kMostNested = 64;
  static constexpr size_t kMostKeys = 64;
  // COCO's licences come before its images, and tell nothing.
  static bool tells(const std::string& array) {
    for (const char* known : {"images", "annotations", "questions", "data"})
      if (array == known) return true;
    return false;
  }
  int record_depth() const { return found_.list ? 2 : array_in_object_ ? 3 : -1; }

  FirstRecord& found_;
  int depth_ = 0;
  bool array_in_object_ = false, in_record_ = false;
};

}  // namespace

FirstRecord first_record(std::string_view beginning) {
  FirstRecord found;
  FirstRecordReader reader(found);
  Json::sax_parse(beginning.begin(), beginning.end(), &reader);
  return found;
}

bool has_any(const std::vector<std::string>& keys, KeyNames names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view name) { return std::find(keys.begin(), keys.end(), name) != keys.end(); });
}

}  // namespace tessera

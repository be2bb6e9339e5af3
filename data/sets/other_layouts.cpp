#include "data/sets/other_layouts.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

namespace tessera {
namespace {

using Json = nlohmann::json;
using Names = std::vector<std::string_view>;

// The keys at the beginning of a JSON text: those of the outermost object, and those of the first object in an array
// that is outermost itself or such a key's value. Stops there: what follows may be large, cut or damaged.
class FirstRecord : public nlohmann::json_sax<Json> {
 public:
  bool list = false;              // an array is outermost
  bool ended = false;             // the outermost value has
  std::vector<std::string> keys;  // of the outermost object, as far as was read
  std::string within;             // the key of the array that holds the record
  std::vector<std::string> record;

  bool start_object(size_t) override {
    if (++depth_ == kMostNested) return false;
    in_record_ |= depth_ == record_depth();
    return true;
  }
  bool end_object() override {
    const bool whole = in_record_ && depth_ == record_depth();
    ended |= --depth_ == 0;
    return !whole && !ended;
  }
  bool start_array(size_t) override {
    if (depth_ == 0) list = true;
    if (depth_ == 1 && !list) array_in_object_ = tells(within);
    return ++depth_ < kMostNested;
  }
  bool end_array() override {
    --depth_;
    if (depth_ == 1) array_in_object_ = false;
    return depth_ > 0;
  }
  bool key(std::string& name) override {
    if (depth_ == 1 && !list) {
      keys.push_back(name);
      within = name;
    }
    if (in_record_ && depth_ == record_depth()) record.push_back(name);
    return keys.size() < kMostKeys && record.size() < kMostKeys;
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
  int record_depth() const { return list ? 2 : array_in_object_ ? 3 : -1; }

  int depth_ = 0;
  bool array_in_object_ = false, in_record_ = false;
};

bool has_any(const std::vector<std::string>& keys, const Names& names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view name) { return std::find(keys.begin(), keys.end(), name) != keys.end(); });
}

const Names kPictures = {"image", "image_id", "image_path", "img", "file_name", "filename", "filepath", "url"};
const Names kTexts = {"caption", "captions", "text", "texts", "sentence", "sentences"};

constexpr const char* kVqa = "questions or answers of VQA, which are no captions";

std::string of_list(const std::vector<std::string>& record) {
  if (has_any(record, {"conversations"})) return "a list of conversations, as LLaVA's";
  if (has_any(record, {"regions"})) return "Visual Genome's list of regions";
  if (has_any(record, {"question", "question_id"})) return kVqa;
  if (has_any(record, {"imgid"}) && has_any(record, {"sentences"}))
    return "the array of Karpathy's splits without the object around it, {\"images\": […]}";
  if (has_any(record, kPictures) && has_any(record, kTexts)) return "a flat list of pictures and captions, as BLIP's";
  return {};
}

std::string of_object(const FirstRecord& found) {
  if (has_any(found.record, {"imgid"})) return {};
  const char* coco = "COCO's own annotations (captions_train2014.json and the like)";
  if (found.within == "images" && has_any(found.record, {"file_name"})) return coco;
  if (has_any(found.record, {"question", "question_id"})) return kVqa;
  if (found.within == "annotations" && has_any(found.record, {"image_id"})) return coco;
  if (!has_any(found.keys, {"images"}) && has_any(found.keys, kPictures) && has_any(found.keys, kTexts))
    return "JSON lines, one picture or caption on each";
  if (has_any(found.keys, {"identifier"}) && has_any(found.keys, {"sentence"})) return "NLVR2's JSON lines";
  const auto is_picture = [](const std::string& key) {
    return key.ends_with(".jpg") || key.ends_with(".jpeg") || key.ends_with(".png");
  };
  if (!found.keys.empty() && is_picture(found.keys[0])) return "an object with an entry for each picture";
  return {};
}

// Columns of text: Flickr30k's captions, and what spreadsheets write.
std::string of_text(std::string_view line) {
  const bool is_text =
      std::none_of(line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; });
  if (!is_text || line.starts_with('<')) return {};
  if (line.find("#0\t") != std::string_view::npos) return "Flickr30k's own captions (results_20130124.token)";
  const size_t end = line.find_first_of(",|\t;");
  if (end == std::string_view::npos) return {};
  const std::string_view first = line.substr(0, end);
  const bool named = first == "image_name" || first == "id" || first == "title" ||
                     std::find(kPictures.begin(), kPictures.end(), first) != kPictures.end() ||
                     std::find(kTexts.begin(), kTexts.end(), first) != kTexts.end();
  return named || line.find('\t') != std::string_view::npos ? "a table of text (CSV or TSV)" : "";
}

}  // namespace

std::string other_layout(std::string_view head) {
  if (head.starts_with("\xef\xbb\xbf")) head.remove_prefix(3);
  const size_t first = head.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  if (head[first] != '{' && head[first] != '[') return of_text(head.substr(0, head.find_first_of("\r\n")));
  FirstRecord found;
  Json::sax_parse(head.begin(), head.end(), &found);
  return found.list ? of_list(found.record) : of_object(found);
}

}  // namespace tessera

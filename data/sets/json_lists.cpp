// Flat lists as JSON: of objects that name a picture and its captions, in an array (BLIP's and ALBEF's lists) or on a
// line each; and of pairs, as ViLT's preparation of Conceptual Captions and SBU takes them.
#include <algorithm>

#include "data/sets/column_names.h"
#include "data/sets/layout_readers.h"
#include "data/sets/list_lines.h"
#include "data/sets/splits.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using nlohmann::json;

template <class Names>
bool names_one(const std::vector<std::string>& keys, const Names& names) {
  return std::any_of(keys.begin(), keys.end(),
                     [&](const std::string& key) { return std::find(names.begin(), names.end(), key) != names.end(); });
}

bool names_picture_and_caption(const std::vector<std::string>& keys) {
  return (names_one(keys, kPictureColumns) || has_any(keys, {"image_id", "url"})) && names_one(keys, kCaptionColumns) &&
         !has_any(keys, {"conversations", "question", "identifier", "imgid"});
}

template <class Names>
std::string_view field_of(const json& record, const Names& names, const char* what, const std::string& where) {
  for (const std::string_view name : names)
    if (record.contains(name)) return name;
  std::string expected;
  for (const std::string_view name : names) expected += text(expected.empty() ? "" : ", ", name);
  fail(where, ": no field names the ", what, ", expected one of ", expected);
}

// One caption, or several.
void append_captions(const json& value, const std::string& field, const std::string& where,
                     std::vector<CaptionText>& captions) {
  if (value.is_string()) {
    captions.push_back({-1, value.get_ref<const std::string&>()});
    return;
  }
  check(value.is_array(), where, ": field '", field, "' is ", described_type(value),
        ", expected a string or an array of strings");
  for (const json& caption : value) {
    check(caption.is_string(), where, ": field '", field, "' holds ", described_type(caption), ", expected strings");
    captions.push_back({-1, caption.get_ref<const std::string&>()});
  }
  check(!captions.empty(), where, ": field '", field, "' is empty, expected at least one caption");
}

void add_record(const json& record, const std::string& where, RecordSink& sink) {
  const JsonFields fields(record, where);
  const std::string picture(field_of(record, kPictureColumns, "picture", where));
  const std::string caption(field_of(record, kCaptionColumns, "caption", where));
  std::vector<CaptionText> captions;
  append_captions(record[caption], caption, where, captions);
  std::string_view split;
  if (fields.has("split") && !record["split"].is_null()) split = split_of_word(fields.string("split"));
  sink.picture({.split = split, .file = fields.string(picture.c_str()), .captions = captions, .naming = Naming::again},
               where);
}

}  // namespace

bool is_pairs(const FileBeginning& beginning) { return beginning.is_json && beginning.json.list_of_lists; }

void read_pairs(const CaptionsFile& file, RecordSink& sink) {
  for_each_json_entry(file.contents, {}, "", file.where, [&](const std::string&, int64_t index, const json& entry) {
    const std::string where = text(file.where, ": entry ", index);
    check(entry.is_array() && entry.size() == 2 && entry[0].is_string(), where,
          " is no array of a picture and its caption");
    std::vector<CaptionText> captions;
    append_captions(entry[1], "caption", where, captions);
    sink.picture({.file = entry[0].get_ref<const std::string&>(), .captions = captions, .naming = Naming::again},
                 where);
  });
}

bool is_record_list(const FileBeginning& beginning) {
  return beginning.is_json && beginning.json.list && names_picture_and_caption(beginning.json.record);
}

void read_record_list(const CaptionsFile& file, RecordSink& sink) {
  for_each_json_entry(file.contents, {}, "", file.where, [&](const std::string&, int64_t index, const json& entry) {
    add_record(entry, text(file.where, ": entry ", index), sink);
  });
}

bool is_json_lines(const FileBeginning& beginning) {
  return beginning.is_json && !beginning.json.list && !has_any(beginning.json.keys, {"images"}) &&
         names_picture_and_caption(beginning.json.keys);
}

void read_json_lines(const CaptionsFile& file, RecordSink& sink) {
  for_each_list_line(file.contents, file.where, [&](int64_t number, std::string_view line) {
    if (line.find_first_not_of(" \t") == std::string_view::npos) return;
    const std::string where = line_place(file.where, number);
    std::string reason;
    try {
      add_record(parse_strict_json(line, where), where, sink);
    } catch (const Error& error) {
      reason = error.what();
    }
    if (!reason.empty()) sink.leave_out(reason);
  });
}

}  // namespace tessera

#include "data/sets/annotations.h"

#include <algorithm>

#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {

using nlohmann::json;

namespace {

ContentWord read_content_word(const json& object, const std::string& where) {
  const JsonFields fields(object, where);
  ContentWord word{fields.identifier("begin"), fields.identifier("end"), fields.string("kind"), -1};
  if (fields.has("object")) word.object = fields.integer("object");
  check(word.begin < word.end, where, ": span ", word.begin, "..", word.end, " is empty, expected begin < end");
  check(word.object >= -1, where, ": field 'object' is ", word.object, ", expected an index or -1");
  return word;
}

AnnotatedObject read_object(const json& object, const std::string& where) {
  const JsonFields fields(object, where);
  AnnotatedObject result;
  const json& box = fields.array("box");
  check(box.size() == 4, where, ": field 'box' has ", box.size(), " numbers, expected 4: x, y, width, height");
  for (size_t i = 0; i < 4; ++i) {
    check(box[i].is_number(), where, ": field 'box' holds ", described_type(box[i]), ", expected numbers");
    result.box[i] = box[i].get<double>();
    check(result.box[i] >= 0 && result.box[i] <= 1e9, where, ": field 'box' holds ", result.box[i],
          ", expected 0 ... 1e9");
  }
  check(result.box[2] > 0 && result.box[3] > 0, where, ": box of ", result.box[2], " x ", result.box[3],
        " pixels is empty");
  if (!fields.has("attributes")) return result;
  for (const auto& [key, value] : fields.object("attributes").items()) {
    check(value.is_string(), where, ": attribute ", quoted_text(key), " is ", described_type(value),
          ", expected a string");
    result.attributes.emplace(key, value.get<std::string>());
  }
  return result;
}

template <class Item>
std::vector<Item> read_list(const JsonFields& fields, const char* field,
                            Item (*read)(const json&, const std::string&)) {
  std::vector<Item> items;
  for (const json& entry : fields.array(field))
    items.push_back(read(entry, text(fields.where(), ": entry ", items.size(), " of '", field, "'")));
  return items;
}

std::string read_group(const JsonFields& fields, const json& object) {
  return object["group"].is_number_integer() ? std::to_string(fields.integer("group")) : fields.string("group");
}

Annotation read_annotation(std::string_view line, const std::string& where) {
  const json object = parse_strict_json(line, where);
  const JsonFields fields(object, where);
  Annotation result;
  result.sentence_id = fields.identifier("sentid");
  if (fields.has("sibling")) result.sibling = fields.identifier("sibling");
  if (fields.has("difference")) result.difference = fields.string("difference");
  if (fields.has("content_words")) result.content_words = read_list(fields, "content_words", read_content_word);
  if (fields.has("objects")) result.objects = read_list(fields, "objects", read_object);
  if (fields.has("group")) result.group = read_group(fields, object);
  if (result.content_words)
    for (const ContentWord& word : *result.content_words) {
      const auto objects = static_cast<int64_t>(result.objects ? result.objects->size() : 0);
      check(word.object < objects, where, ": a content word describes object ", word.object, " of ", objects);
    }
  return result;
}

}  // namespace

Box resize_box(const Box& box, int64_t from_height, int64_t from_width, int64_t to_height, int64_t to_width) {
  const double x = static_cast<double>(to_width) / static_cast<double>(from_width);
  const double y = static_cast<double>(to_height) / static_cast<double>(from_height);
  return {box[0] * x, box[1] * y, box[2] * x, box[3] * y};
}

std::string_view name(AnnotationField field) {
  switch (field) {
    case AnnotationField::sibling: return "sibling";
    case AnnotationField::difference: return "difference";
    case AnnotationField::content_words: return "content_words";
    case AnnotationField::objects: return "objects";
    case AnnotationField::group: return "group";
  }
  return "";
}

bool Annotation::has(AnnotationField field) const {
  switch (field) {
    case AnnotationField::sibling: return sibling.has_value();
    case AnnotationField::difference: return difference.has_value();
    case AnnotationField::content_words: return content_words.has_value();
    case AnnotationField::objects: return objects.has_value();
    case AnnotationField::group: return group.has_value();
  }
  return false;
}

void Annotation::require(AnnotationField field, std::string_view option) const {
  check(has(field), option, " needs the annotation field '", name(field), "', which sentence ", sentence_id,
        " does not have; add it to annotations.jsonl (docs/data.md) or turn the option off");
}

bool caption_true_of(const Annotation& caption, const Annotation& picture) {
  caption.require(AnnotationField::objects, "caption_true_of");
  picture.require(AnnotationField::objects, "caption_true_of");
  const auto shows = [&](const AnnotatedObject& object) {
    return std::any_of(picture.objects->begin(), picture.objects->end(), [&](const AnnotatedObject& other) {
      return std::includes(other.attributes.begin(), other.attributes.end(), object.attributes.begin(),
                           object.attributes.end());
    });
  };
  return std::all_of(caption.objects->begin(), caption.objects->end(), shows);
}

void read_annotations(const TextPieces& contents, const std::filesystem::path& path,
                      const std::function<void(Annotation&&)>& handle) {
  int64_t line_number = 0;
  for_each_line(contents, [&](std::string_view line) {
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    handle(read_annotation(line, text("annotations: ", shown(path), ", line ", line_number)));
  });
}

void check_spans(const Annotation& annotation, std::string_view caption, const std::filesystem::path& path) {
  if (!annotation.content_words) return;
  const auto size = static_cast<int64_t>(caption.size());
  const auto inside_character = [&](int64_t offset) {
    return offset < size && (static_cast<unsigned char>(caption[static_cast<size_t>(offset)]) & 0xC0) == 0x80;
  };
  for (const ContentWord& word : *annotation.content_words) {
    check(word.end <= size, "annotations: ", shown(path), ": sentence ", annotation.sentence_id, ": span ", word.begin,
          "..", word.end, " lies outside the caption of ", size, " bytes");
    check(!inside_character(word.begin) && !inside_character(word.end), "annotations: ", shown(path), ": sentence ",
          annotation.sentence_id, ": span ", word.begin, "..", word.end,
          " cuts a UTF-8 character (offsets count bytes)");
  }
}

}  // namespace tessera

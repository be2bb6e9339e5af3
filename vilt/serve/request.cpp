#include "vilt/serve/request.h"

#include <algorithm>
#include <cmath>

#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"
#include "vilt/serve/base64.h"

namespace tessera::serve {
namespace {

using nlohmann::json;

constexpr size_t kMostPictures = 1024;  // of one request

void check_known(const std::string& name, std::span<const std::string_view> known) {
  if (std::find(known.begin(), known.end(), name) != known.end()) return;
  std::string list;
  for (const std::string_view field : known) list += (list.empty() ? "" : ", ") + std::string(field);
  fail(kRequest, ": there is no field ", printable(name), "; there are ", list);
}

// As the first of two: an element by its place there, a field by its name.
std::string place(const char* field, size_t index) { return text("entry ", index, " of '", field, "'"); }
std::string place(const char* field) { return text("field '", field, "'"); }

GivenPicture picture_of_json(json&& value, const std::string& where, const std::string& name) {
  if (value.is_string()) return {GivenPicture::Source::folder, value.get<std::string>(), {}};
  check(value.is_object() && value.size() == 1 && (value.contains("base64") || value.contains("test")), kRequest, ": ",
        where, " is ", value.is_object() ? "an object of other fields" : described_type(value),
        ", expected a picture's name, {\"base64\": \"…\"} or {\"test\": \"…\"}");
  const std::string kind = value.begin().key();
  check(value.begin()->is_string(), kRequest, ": ", where, ": '", kind, "' is ", described_type(*value.begin()),
        ", expected a string");
  if (kind == "test") return {GivenPicture::Source::test, value.begin()->get<std::string>(), {}};
  auto bytes = decode_base64(value.begin()->get_ref<const std::string&>());
  check(bytes.has_value(), kRequest, ": ", where, ": 'base64' is not base64");
  return {GivenPicture::Source::bytes, name, std::move(*bytes)};
}

// Puts pictures in their list, and their places into the object.
void take_pictures(Fields& fields) {
  json& object = fields.object;
  const auto take = [&](json& value, const std::string& where, const std::string& name) {
    check(fields.pictures.size() < kMostPictures, kRequest, ": more than ", kMostPictures, " pictures");
    fields.pictures.push_back(picture_of_json(std::move(value), where, name));
    value = std::to_string(fields.pictures.size() - 1);
  };
  if (object.contains("image")) take(object["image"], place("image"), "image");
  if (!object.contains("images") || !object["images"].is_array()) return;  // its reader tells what else it is
  for (size_t i = 0; i < object["images"].size(); ++i)
    take(object["images"][i], place("images", i), text("image ", i + 1));
}

bool is_utf8(const std::string& text) {
  try {
    (void)json(text).dump();
    return true;
  } catch (const json::type_error&) {
    return false;
  }
}

bool is_list(std::string_view name) { return name == "images" || name == "texts"; }

// The value of a field that is typed: numbers and truth values are written as in JSON.
json value_of_text(const std::string& name, const std::string& content) {
  if (name == "text" || name == "texts" || name == "image" || name == "images") return content;
  const bool typed =
      content == "true" || content == "false" ||
      (!content.empty() && content.size() < 40 && content.find_first_not_of("0123456789+-.eE") == content.npos);
  json value = typed ? json::parse(content, nullptr, false) : json(content);
  return value.is_discarded() ? json(content) : value;
}

}  // namespace

Fields read_json_fields(std::string_view body, std::span<const std::string_view> known) {
  Fields out{parse_strict_json(body, kRequest), {}};
  check(out.object.is_object(), kRequest, " is ", described_type(out.object), ", expected an object");
  for (const auto& entry : out.object.items()) check_known(entry.key(), known);
  take_pictures(out);
  return out;
}

Fields read_part_fields(std::span<const Part> parts, std::span<const std::string_view> known) {
  Fields out{json::object(), {}};
  for (const Part& part : parts) {
    check_known(part.name, known);
    json value;
    if (!part.file_name.empty()) {
      check(part.name == "image" || part.name == "images", kRequest, ": field '", part.name,
            "' is a file, expected a text");
      check(out.pictures.size() < kMostPictures, kRequest, ": more than ", kMostPictures, " pictures");
      out.pictures.push_back({GivenPicture::Source::bytes, escape_controls(part.file_name), part.content});
      value = std::to_string(out.pictures.size() - 1);
    } else {
      check(is_utf8(part.content), kRequest, ": field '", part.name, "' is no UTF-8");
      value = value_of_text(part.name, part.content);
      if (part.name == "image" || part.name == "images") {
        check(out.pictures.size() < kMostPictures, kRequest, ": more than ", kMostPictures, " pictures");
        out.pictures.push_back({GivenPicture::Source::folder, part.content, {}});
        value = std::to_string(out.pictures.size() - 1);
      }
    }
    if (is_list(part.name))
      out.object[part.name].push_back(std::move(value));
    else
      check(out.object.emplace(part.name, std::move(value)).second, kRequest, ": field '", part.name,
            "' is there twice");
  }
  return out;
}

int64_t integer_field(const json& object, const char* name, int64_t standard, int64_t least, int64_t most) {
  if (!object.contains(name)) return standard;
  const json& value = object[name];
  check(value.is_number_integer(), kRequest, ": field '", name, "' is ", described_type(value),
        ", expected a whole number");
  const bool huge = value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  check(!huge && value.get<int64_t>() >= least && value.get<int64_t>() <= most, kRequest, ": field '", name, "' is ",
        value.dump(), ", expected ", least, " to ", most);
  return value.get<int64_t>();
}

double number_field(const json& object, const char* name, double standard, double least, double most) {
  if (!object.contains(name)) return standard;
  const json& value = object[name];
  check(value.is_number(), kRequest, ": field '", name, "' is ", described_type(value), ", expected a number");
  const double number = value.get<double>();
  check(std::isfinite(number) && number >= least && number <= most, kRequest, ": field '", name, "' is ", value.dump(),
        ", expected ", least, " to ", most);
  return number;
}

bool flag_field(const json& object, const char* name) {
  if (!object.contains(name)) return false;
  check(object[name].is_boolean(), kRequest, ": field '", name, "' is ", described_type(object[name]),
        ", expected true or false");
  return object[name].get<bool>();
}

}  // namespace tessera::serve

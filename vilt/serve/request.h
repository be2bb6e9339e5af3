// The body of a request: the fields of a line of a file of queries (vilt/ask/query.h), with pictures that may come
// along.
//
// As JSON a picture is the name of one in the folder, {"base64": "…"}, or {"test": "…"}, one of the run's test
// pictures. As multipart/form-data a part with a file name is a picture's file and any other the value of a field;
// `images` and `texts` may be there several times.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::serve {

struct GivenPicture {
  enum class Source : uint8_t { folder, test, bytes };
  Source source = Source::folder;
  std::string name;   // in the folder, or of the test picture; of bytes: what messages and answers call them
  std::string bytes;  // the file
};

// A part of multipart/form-data.
struct Part {
  std::string name, file_name, content;  // a file has a name
};

struct Fields {
  nlohmann::json object;               // "image" is the place of its picture below, "images" a list of such places
  std::vector<GivenPicture> pictures;  // in their order
};

// Errors name the field. Those of fields that are not of `known` do so too, and say which there are.
Fields read_json_fields(std::string_view body, std::span<const std::string_view> known);
Fields read_part_fields(std::span<const Part> parts, std::span<const std::string_view> known);

// What is in a field, or `standard` where it is not there. An integer outside `least` to `most` is an error, so is a
// number that is not finite.
int64_t integer_field(const nlohmann::json& object, const char* name, int64_t standard, int64_t least, int64_t most);
double number_field(const nlohmann::json& object, const char* name, double standard, double least, double most);
bool flag_field(const nlohmann::json& object, const char* name);

inline constexpr const char* kRequest = "request";  // begins the messages

}  // namespace tessera::serve

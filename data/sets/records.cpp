#include "data/sets/records.h"

#include <algorithm>
#include <filesystem>

#include "data/text/unicode.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {

void picture_or_left_out(RecordSink& sink, const PictureRecord& record, const std::string& where) {
  std::string reason;
  try {
    sink.picture(record, where);
  } catch (const Error& error) {
    reason = error.what();
  }
  if (!reason.empty()) sink.leave_out(reason);
}

bool is_normal_name(std::string_view name) {
  for (;;) {
    const size_t end = std::min(name.find('/'), name.size());
    const std::string_view part = name.substr(0, end);
    if (part.empty() || part == "." || part == "..") return false;
    if (end == name.size()) return true;
    name.remove_prefix(end + 1);
  }
}

void check_picture_name(std::string_view name, const char* field, const std::string& where) {
  if (name.empty() || name.find('\0') != std::string_view::npos)
    fail(where, ": field '", field, "' is ", quoted_text(name), ", expected a file name");
  if (is_normal_name(name)) return;
  if (name.find("://") != std::string_view::npos)
    fail(where, ": field '", field, "' is the address ", quoted_text(name), ", expected the name of a file");
  const std::filesystem::path path(name);
  if (path.is_absolute() || std::find(path.begin(), path.end(), std::filesystem::path("..")) != path.end())
    fail(where, ": field '", field, "' is ", quoted_text(name), ", which leaves the image folder");
}

bool is_blank(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const auto kind = unicode::character_class(unicode::next_code_point(text, at));
    if (kind != unicode::CharacterClass::space && kind != unicode::CharacterClass::drop) return false;
  }
  return true;
}

}  // namespace tessera

#include "data/sets/list_lines.h"

#include <algorithm>

#include "data/text/unicode.h"
#include "io/files.h"
#include "tensor/error.h"

namespace tessera {
namespace {

// The same pieces; an error before a line has grown too long to be kept.
TextPieces with_bounded_lines(const TextPieces& pieces, const std::string& where) {
  return [&pieces, &where, begun = size_t{0}, line = int64_t{1}]() mutable {
    const std::string_view piece = pieces();
    for (size_t at = 0; at < piece.size();) {
      const size_t end = std::min(piece.find('\n', at), piece.size());
      begun += end - at;
      check(begun <= kLongestLine, line_place(where, line), " has more than ", kLongestLine,
            " bytes; this is no list with a line for each caption");
      if (end < piece.size()) {
        begun = 0;
        ++line;
      }
      at = end + 1;
    }
    return piece;
  };
}

}  // namespace

void for_each_list_line(const TextPieces& contents, const std::string& where, const ListLineHandler& handle) {
  int64_t number = 0;
  for_each_line(with_bounded_lines(contents, where), [&](std::string_view line) {
    if (++number == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
    if (line.ends_with('\r')) line.remove_suffix(1);
    handle(number, line);
  });
}

std::string line_place(const std::string& where, int64_t number) { return where + ": line " + std::to_string(number); }

void add_list_entry(RecordSink& sink, PictureRecord record, std::string_view caption, const std::string& where) {
  if (!unicode::is_utf8(caption) || !unicode::is_utf8(record.file)) return sink.leave_out(where + " is no valid UTF-8");
  const CaptionText text{-1, caption};
  record.captions = {&text, 1};
  picture_or_left_out(sink, record, where);
}

std::string numbered_picture(int64_t number) {
  std::string name = std::to_string(number);
  name.insert(0, 7 - std::min<size_t>(7, name.size()), '0');
  return name.substr(0, 4) + "/" + name;
}

}  // namespace tessera

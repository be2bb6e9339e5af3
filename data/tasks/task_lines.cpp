#include "data/tasks/task_lines.h"

#include "tensor/error.h"

namespace tessera {

LeftOut for_each_task_line(const TextPieces& contents, const std::string& where, int64_t max_left_out,
                           const std::function<void(const std::string& place, std::string_view line)>& handle) {
  constexpr size_t kLongest = size_t{1} << 20;
  size_t since_line_end = 0;
  int64_t number = 0, used = 0;
  // Looked at before the pieces of a line are put together.
  const TextPieces bounded = [&] {
    const std::string_view piece = contents();
    const size_t first = piece.find('\n'), last = piece.rfind('\n');
    check(since_line_end + std::min(first, piece.size()) <= kLongest, where, ", line ", number + 1, ": more than ",
          kLongest, " bytes; expected a line for each sample");
    since_line_end = last == std::string_view::npos ? since_line_end + piece.size() : piece.size() - last - 1;
    return piece;
  };
  LeftOut left_out;
  for_each_line(bounded, [&](std::string_view line) {
    ++number;
    if (number == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    try {
      handle(text(where, ", line ", number), line);
      ++used;
    } catch (const Error& error) {
      left_out.add(error.what());
    }
  });
  left_out.check(max_left_out, used, where);
  return left_out;
}

}  // namespace tessera

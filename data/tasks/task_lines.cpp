#include "data/tasks/task_lines.h"

#include "data/sets/list_lines.h"
#include "tensor/error.h"

namespace tessera {

LeftOut for_each_task_line(const TextPieces& contents, const std::string& where, int64_t max_left_out,
                           const std::function<void(const std::string& place, std::string_view line)>& handle) {
  LeftOut left_out;
  int64_t used = 0;
  for_each_list_line(contents, where, [&](int64_t number, std::string_view line) {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    try {
      handle(line_place(where, number), line);
      ++used;
    } catch (const Error& error) {
      left_out.add(error.what());
    }
  });
  left_out.check(max_left_out, used, where);
  return left_out;
}

}  // namespace tessera

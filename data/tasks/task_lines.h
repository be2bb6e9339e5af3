// Files with a line for each sample, of which damaged ones are left out. Internal to data/tasks/.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "data/tasks/left_out.h"
#include "io/files.h"

namespace tessera {

// Calls `handle` with every line that is not blank, without line end, carriage return and the file's byte order mark,
// and with its place, "WHERE: line 3". A tessera::Error of `handle` leaves the line out; more than `max_left_out` are
// an error, and so is a line of more than a mebibyte: such a file is no list.
LeftOut for_each_task_line(const TextPieces& contents, const std::string& where, int64_t max_left_out,
                           const std::function<void(const std::string& place, std::string_view line)>& handle);

}  // namespace tessera

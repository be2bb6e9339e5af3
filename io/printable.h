// Text of untrusted files in messages.
#pragma once

#include <string>
#include <string_view>

namespace tessera {

// In single quotes, shortened if it is long, with every byte escaped that is not a printable ASCII character: a
// terminal must not obey what a file's author wrote.
std::string printable(std::string_view text);

}  // namespace tessera

// Text of untrusted files, and their names, in messages.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace tessera {

// In single quotes, shortened if it is long, with every byte escaped that is not a printable ASCII character: a
// terminal must not obey what a file's author wrote.
std::string printable(std::string_view text);

// Control characters, and bytes that are no UTF-8, as \xNN; all but those of `kept`. Everything else stays as it is.
std::string escape_controls(std::string_view text, std::string_view kept = {});

// A path in a message: a line break in its name does not end the line.
inline std::string shown(const std::filesystem::path& path) { return escape_controls(path.native()); }

}  // namespace tessera

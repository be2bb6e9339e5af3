// What a file is that is not what its name or its place promised. Downloads leave pages that say 404, pointers of
// git-lfs and pictures under another format's name behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tessera {

// How many of a file's first bytes file_kind looks at, at most.
inline constexpr size_t kFileKindBytes = 512;

// Words that follow "the file is", from the file's first bytes: "a BMP picture", "an HTML page", "empty"; where there
// is a command that cures it, with it. No text where the bytes tell nothing.
std::string file_kind(std::span<const uint8_t> head);
std::string file_kind(std::string_view head);

// file_kind's words, or the bytes themselves, and what was expected: "the file is a BMP picture, expected …".
std::string wrong_kind(std::span<const uint8_t> head, std::string_view expected);

}  // namespace tessera

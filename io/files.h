// Whole files in memory, and files of any size piece by piece. Every error names the path and says what the system
// answered.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace tessera {

inline constexpr uint64_t kDefaultFileLimit = uint64_t{1} << 30;

// Throws when the file cannot be read, is not a regular file or has more than `limit` bytes (seen before memory is
// taken).
std::vector<uint8_t> read_file(const std::filesystem::path& path, uint64_t limit = kDefaultFileLimit);

// Gives the next piece of a text, of any length; an empty one is the end. A piece lives until the next is asked for.
using TextPieces = std::function<std::string_view()>;
// Of a regular file of any size; no more of it than one piece is in memory.
TextPieces file_pieces(const std::filesystem::path& path);
// Of a text that is in memory and outlives the pieces.
TextPieces pieces_of(std::string_view text);
// Calls `handle` with every line, without its '\n'; the last need not have one.
void for_each_line(const TextPieces& pieces, const std::function<void(std::string_view line)>& handle);

enum class Durability {
  process,  // a reader or a killed process never sees half a file
  power,    // so does a machine that loses power: the data are flushed to the disk before the rename
};

// Writes to a new file in the same folder and renames it onto `path`. On an error the new file is removed and an
// existing `path` stays as it was. The folder must exist.
void write_file_atomically(const std::filesystem::path& path, std::span<const uint8_t> bytes,
                           Durability durability = Durability::process);
void write_file_atomically(const std::filesystem::path& path, std::string_view contents,
                           Durability durability = Durability::process);

// Flushes the names in a folder to the disk: a rename in it then outlasts a loss of power.
void flush_folder(const std::filesystem::path& folder);

}  // namespace tessera

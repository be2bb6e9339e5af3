// Whole files in memory. Every error names the path and says what the system answered.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace tessera {

inline constexpr uint64_t kDefaultFileLimit = uint64_t{1} << 30;
inline constexpr uint64_t kNoFileLimit = UINT64_MAX;

// Throws when the file cannot be read, is not a regular file or has more than `limit` bytes (seen before memory is
// taken).
std::vector<uint8_t> read_file(const std::filesystem::path& path, uint64_t limit = kDefaultFileLimit);

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

// What a command may replace: nothing that it did not write, unless it is told so.
#pragma once

#include <filesystem>
#include <string_view>

namespace tessera::command {

// Error: something is at `file` that may not be replaced. With `force` a file may; a folder, a device or a pipe never.
void check_may_write(const std::filesystem::path& file, bool force);

bool holds(const std::filesystem::path& file, std::string_view contents);

// Writes the file, whole or not at all. One that holds the same already is kept: false.
bool write_output(const std::filesystem::path& file, std::string_view contents, bool force);

// The same of a page of which the command has made earlier ones, which it knows again by `mark` among their first 1,024
// bytes: such a one it may replace. A symbolic link to one may not.
void write_page(const std::filesystem::path& file, std::string_view contents, std::string_view mark, bool force);

// Error: training into `run` would replace files of a folder that holds no run.
void check_may_train_in(const std::filesystem::path& run);

}  // namespace tessera::command

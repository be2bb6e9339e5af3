#include "vilt/command/overwriting.h"

#include <fstream>
#include <string>

#include "io/files.h"
#include "io/printable.h"
#include "tensor/error.h"
#include "train/checkpoint.h"

namespace tessera::command {

namespace fs = std::filesystem;

bool holds(const fs::path& file, std::string_view contents) {
  std::error_code unknown;
  if (!fs::is_regular_file(file) || fs::file_size(file, unknown) != contents.size() || unknown) return false;
  const std::vector<uint8_t> bytes = read_file(file, contents.size());
  return std::equal(bytes.begin(), bytes.end(), contents.begin(), contents.end(),
                    [](uint8_t byte, char character) { return byte == static_cast<uint8_t>(character); });
}

void check_may_write(const fs::path& file, bool force) {
  const fs::file_status there = fs::symlink_status(file);
  if (!fs::exists(there)) return;
  // A file takes the place of a symbolic link itself, not of what it leads to.
  check(fs::is_regular_file(there) || fs::is_symlink(there), shown(file), ": is no file that could be replaced; name ",
        "a new one");
  check(force, shown(file), ": exists already; name another file, or replace it with --force");
}

bool write_output(const fs::path& file, std::string_view contents, bool force) {
  if (holds(file, contents)) return false;
  check_may_write(file, force);
  write_file_atomically(file, contents, Durability::power);
  return true;
}

void write_page(const fs::path& file, std::string_view contents, std::string_view mark, bool force) {
  bool own = false;
  if (fs::is_regular_file(fs::symlink_status(file))) {
    std::string head(1024, '\0');
    std::ifstream in(file, std::ios::binary);
    in.read(head.data(), static_cast<std::streamsize>(head.size()));
    own = std::string_view(head).substr(0, static_cast<size_t>(in.gcount())).find(mark) != std::string_view::npos;
  }
  write_output(file, contents, force || own);
}

void check_may_train_in(const fs::path& run) {
  // The first is made by every training, before anything else is.
  if (!fs::is_directory(run) || fs::exists(run / ".lock") || newest_checkpoint(run)) return;
  for (const char* name : {"settings.toml", "metrics.jsonl", "summary.json", "report.html"})
    check(!fs::exists(fs::symlink_status(run / name)), shown(run), ": holds ", name,
          " but no run, and training would replace it; name another folder (setting 'train.out')");
}

}  // namespace tessera::command

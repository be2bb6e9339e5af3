#include "train/metrics_file.h"

#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {

MetricsFile::MetricsFile(const std::filesystem::path& path, int64_t resume_step) : path_(path) {
  std::string kept;
  const auto keep = [&](std::string_view line) {
    const auto row = nlohmann::json::parse(line, nullptr, false);
    if (row.is_object() && row.value("step", int64_t{0}) <= resume_step) kept.append(line) += '\n';
  };
  if (std::filesystem::exists(path)) for_each_line(file_pieces(path), keep);
  write_file_atomically(path, kept);
  out_.open(path, std::ios::app);
  check(out_.good(), shown(path), ": cannot be written");
}

void MetricsFile::write(const std::string& row) {
  out_ << row + "\n" << std::flush;
  check(out_.good(), shown(path_), ": a row could not be written; is the disk full?");
}

}  // namespace tessera

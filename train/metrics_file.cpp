#include "train/metrics_file.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "io/files.h"
#include "tensor/error.h"

namespace tessera {

MetricsFile::MetricsFile(const std::filesystem::path& path, int64_t resume_step) : path_(path) {
  std::string kept;
  std::string before;
  if (std::filesystem::exists(path)) {
    const std::vector<uint8_t> bytes = read_file(path, kNoFileLimit);
    before.assign(bytes.begin(), bytes.end());
  }
  std::istringstream in(before);
  for (std::string line; std::getline(in, line);) {
    const auto row = nlohmann::json::parse(line, nullptr, false);
    if (row.is_object() && row.value("step", int64_t{0}) <= resume_step) kept += line + "\n";
  }
  write_file_atomically(path, kept);
  out_.open(path, std::ios::app);
  check(out_.good(), path.string(), ": cannot be written");
}

void MetricsFile::write(const std::string& row) {
  out_ << row + "\n" << std::flush;
  check(out_.good(), path_.string(), ": a row could not be written; is the disk full?");
}

}  // namespace tessera

// metrics.jsonl of a run: one JSON object per line, each with the field "step".
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace tessera {

class MetricsFile {
 public:
  // Opens the file to write on. Rows after the step that a run continues from are dropped, and so is half a row that a
  // killed process has left.
  MetricsFile(const std::filesystem::path& path, int64_t resume_step);
  // Writes a row at once. Throws when it could not be written whole.
  void write(const std::string& row);

 private:
  std::filesystem::path path_;
  std::ofstream out_;
};

}  // namespace tessera

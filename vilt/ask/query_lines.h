// Queries from a file of JSON lines, one object a line, read one after the other.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "vilt/ask/ask_kinds.h"

namespace tessera::command {

class QueryLines {
 public:
  explicit QueryLines(const std::filesystem::path& file);
  // The next query, nothing at the end. Lines of blanks are skipped. Without an id a query gets its line's number, from
  // 0.
  std::optional<QueryLine> next(const AskKind& kind);
  // The share of the file that has been read; 0 if its size is not known (a pipe).
  double share() const;

 private:
  bool read_line(std::string& line);

  std::filesystem::path file_;
  std::ifstream in_;
  int64_t lines_ = 0, bytes_ = 0, size_ = 0;
};

// Rewrites one line on stderr, "1200 queries, 85 a second, 40 s left". Writes nothing where stderr is no terminal.
class QueryProgress {
 public:
  QueryProgress();
  void show(int64_t queries, double share);
  void clear();  // before something else is written to stderr, and at the end

 private:
  std::chrono::steady_clock::time_point start_, shown_{};
  bool terminal_, visible_ = false;
};

}  // namespace tessera::command

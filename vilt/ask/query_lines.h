// Queries from a file of JSON lines, one object a line, read one after the other.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "vilt/ask/ask_kinds.h"

namespace tessera::command {

class QueryLines {
 public:
  // A file of any kind; "-": standard input.
  explicit QueryLines(const std::filesystem::path& file);
  ~QueryLines();
  QueryLines(const QueryLines&) = delete;
  QueryLines& operator=(const QueryLines&) = delete;
  // The folder that pictures are relative to: the file's; of what is no file in a folder, as standard input and pipes,
  // the working directory.
  std::filesystem::path folder() const;
  // The next query, nothing at the end. Lines of blanks are skipped. Without an id a query gets its line's number, from
  // 0.
  std::optional<QueryLine> next(const AskKind& kind);
  // The share of the file that has been read; 0 if its size is not known (a pipe).
  double share() const;

 private:
  bool read_line(std::string& line);
  int read_character();

  std::filesystem::path file_;
  std::string name_;  // in messages
  int descriptor_ = -1;
  bool regular_ = false;
  std::string buffer_;
  size_t next_ = 0;  // into the buffer
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

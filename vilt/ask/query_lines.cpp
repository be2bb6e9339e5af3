#include "vilt/ask/query_lines.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "tensor/error.h"

namespace tessera::command {

namespace fs = std::filesystem;

namespace {

constexpr size_t kLongestLine = size_t{64} << 20;  // a million captions or so

}  // namespace

QueryLines::QueryLines(const fs::path& file) : file_(file) {
  check(!fs::is_directory(file), "cannot read ", file.string(), ": it is a directory; expected a file of JSON lines");
  in_.open(file, std::ios::binary);
  check(in_.good(), "cannot open ", file.string(), ": ", std::error_code(errno, std::generic_category()).message());
  std::error_code unknown;
  if (fs::is_regular_file(file)) size_ = static_cast<int64_t>(fs::file_size(file, unknown));
}

bool QueryLines::read_line(std::string& line) {
  line.clear();
  std::streambuf& buffer = *in_.rdbuf();
  constexpr int kEnd = std::char_traits<char>::eof();
  int c = buffer.sbumpc();
  if (c == kEnd) return false;
  for (; c != kEnd && c != '\n'; c = buffer.sbumpc()) {
    check(line.size() < kLongestLine, file_.string(), ", line ", lines_ + 1, ": longer than ", kLongestLine, " bytes");
    line += static_cast<char>(c);
  }
  ++lines_;
  bytes_ += static_cast<int64_t>(line.size()) + 1;
  return true;
}

std::optional<QueryLine> QueryLines::next(const AskKind& kind) {
  std::string line;
  do {
    if (!read_line(line)) return {};
  } while (line.find_first_not_of(" \t\r") == std::string::npos);
  return read_query_line(line, text(file_.string(), ", line ", lines_), lines_ - 1,
                         [&](const JsonFields& fields) { return kind.read(fields); });
}

double QueryLines::share() const {
  return size_ > 0 ? std::min(1.0, static_cast<double>(bytes_) / static_cast<double>(size_)) : 0;
}

QueryProgress::QueryProgress() : start_(std::chrono::steady_clock::now()), terminal_(isatty(STDERR_FILENO) != 0) {}

void QueryProgress::show(int64_t queries, double share) {
  const auto now = std::chrono::steady_clock::now();
  if (!terminal_ || now - shown_ < std::chrono::milliseconds(100)) return;
  shown_ = now;
  visible_ = true;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  std::fprintf(stderr, "\r%lld queries, %.1f a second", static_cast<long long>(queries),
               static_cast<double>(queries) / std::max(seconds, 1e-3));
  if (share > 0) std::fprintf(stderr, ", %.0f s left", std::ceil(seconds * (1 - share) / share));
  std::fputs("\x1b[K", stderr);
}

void QueryProgress::clear() {
  if (visible_) std::fputs("\r\x1b[K", stderr);
  visible_ = false;
}

}  // namespace tessera::command

#include "vilt/ask/query_lines.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "io/printable.h"
#include "tensor/error.h"

namespace tessera::command {

namespace fs = std::filesystem;

namespace {

constexpr size_t kLongestLine = size_t{64} << 20;  // a million captions or so

}  // namespace

QueryLines::QueryLines(const fs::path& file) : file_(file), name_(file == "-" ? "standard input" : shown(file)) {
  check(!fs::is_directory(file), "cannot read ", name_, ": it is a directory; expected a file of JSON lines");
  descriptor_ = file == "-" ? STDIN_FILENO : ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  check(descriptor_ >= 0, "cannot open ", name_, ": ", std::strerror(errno));
  struct stat status {};
  regular_ = ::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
  if (regular_) size_ = status.st_size;
}

QueryLines::~QueryLines() {
  if (descriptor_ != STDIN_FILENO) ::close(descriptor_);
}

fs::path QueryLines::folder() const {
  // /dev/stdin and /dev/fd/N may lead to a file, but they do not lie beside it.
  const std::string place = fs::absolute(file_).lexically_normal().parent_path().string();
  const bool by_number = place == "/dev" || place == "/dev/fd" || place.starts_with("/proc/");
  return regular_ && !by_number && file_ != "-" ? file_.parent_path() : fs::path();
}

// -1 at the end.
int QueryLines::read_character() {
  constexpr size_t kPieceBytes = 64 << 10;
  if (next_ == buffer_.size()) {
    buffer_.resize(kPieceBytes);
    ssize_t got = 0;
    do got = ::read(descriptor_, buffer_.data(), buffer_.size());
    while (got < 0 && errno == EINTR);
    check(got >= 0, "cannot read ", name_, ": ", std::strerror(errno));
    buffer_.resize(static_cast<size_t>(got));
    next_ = 0;
    if (got == 0) return -1;
  }
  return static_cast<unsigned char>(buffer_[next_++]);
}

bool QueryLines::read_line(std::string& line) {
  line.clear();
  int c = read_character();
  if (c < 0) return false;
  for (; c >= 0 && c != '\n'; c = read_character()) {
    check(line.size() < kLongestLine, name_, ", line ", lines_ + 1, ": longer than ", kLongestLine, " bytes");
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
  return read_query_line(line, text(name_, ", line ", lines_), lines_ - 1,
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

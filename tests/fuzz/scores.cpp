#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

#include "tests/fuzz/targets.h"
#include "vilt/ranking/score_file.h"

namespace tessera::fuzz {
namespace {

// A file in memory.
struct MemoryFile {
  int descriptor = ::memfd_create("scores", 0);

  explicit MemoryFile(Bytes bytes) {
    ensure(descriptor >= 0 && ::write(descriptor, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
           "no file in memory");
  }
  ~MemoryFile() { ::close(descriptor); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return text("/proc/self/fd/", descriptor); }
};

bool same(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }

}  // namespace

// Rows and columns agree; what is put into a file that goes on is read again, and nothing else changes.
void scores(Bytes bytes) {
  const MemoryFile memory(bytes);
  accepted([&] {
    ScoreFile file(memory.path());
    for (int64_t i = 0; i < std::min<int64_t>(3, file.texts() == 0 ? 0 : file.pictures()); ++i) {
      const std::vector<float> row = file.row(i);
      ensure(row.size() * sizeof(float) <= bytes.size(), "a row larger than its file");
      for (int64_t t = 0; t < std::min<int64_t>(3, file.texts()); ++t)
        ensure(same(row[static_cast<size_t>(t)], file.column(t)[static_cast<size_t>(i)]), "rows and columns differ");
    }
  });
  accepted([&] {
    ScoreFile file(memory.path(), 2, 3, {{"texts", "3 texts"}}, ScoreFile::There::keep);
    const std::vector<float> before = file.row(1);
    const Pair pair{1, 2};
    const double score = 0.5;
    file.put({&pair, 1}, {&score, 1});
    const std::vector<float> after = file.row(1);
    ensure(same(after[0], before[0]) && same(after[1], before[1]) && after[2] == 0.5f, "a score went astray");
  });
}

}  // namespace tessera::fuzz

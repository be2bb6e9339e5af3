#include "train/metrics_file.h"

#include <sys/resource.h>
#include <csignal>

#include <doctest/doctest.h>

#include "io/files.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::metrics_file_test {
namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  const auto bytes = read_file(path);
  return {bytes.begin(), bytes.end()};
}

TEST_CASE("Metrics: a run that continues drops later rows and half rows") {
  const tests::TemporaryDirectory directory;
  const fs::path path = directory.path() / "metrics.jsonl";
  write_file_atomically(path, "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"ste");
  MetricsFile(path, 2).write("{\"step\":4}");
  CHECK(contents(path) == "{\"step\":1}\n{\"step\":2}\n{\"step\":4}\n");
}

// A limit on the size of files stands for a full disk.
TEST_CASE("Metrics: a row that does not fit on the disk is an error") {
  const tests::TemporaryDirectory directory;
  const fs::path path = directory.path() / "metrics.jsonl";
  MetricsFile metrics(path, 0);
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit few_bytes{100, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &few_bytes) == 0);
  const std::string message = tests::error_of([&] {
    for (int row = 0; row < 20; ++row) metrics.write("{\"step\":1}");
  });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(message == path.string() + ": a row could not be written; is the disk full?");
}

}  // namespace
}  // namespace tessera::metrics_file_test

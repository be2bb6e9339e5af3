// Writes the report of a tiny run, and a page that compares runs, to the paths that are given: for
// tests/cli/report_chromium_test.sh.
#include <cmath>
#include <iostream>

#include "io/files.h"
#include "tests/temporary_directory.h"
#include "tests/vilt/report/invented_runs.h"
#include "tests/vilt/report/tiny_report.h"
#include "vilt/report/comparison.h"

namespace {

// As many as are compared at most, of different lengths, three of them the same but for their seed.
std::string comparison(const tessera::tests::TemporaryDirectory& directory) {
  std::vector<std::filesystem::path> folders;
  for (int i = 0; i < 12; ++i) {
    tessera::tests::InventedRun run{"a-run-with-a-long-name-" + std::to_string(i), "vqa"};
    run.change = [i](tessera::Settings& settings) {
      settings.train.seed = i;
      if (i >= 3) settings.optimizer.learning_rate = 1e-4 * (i + 1);
    };
    run.metrics.clear();
    for (int step = 1; step <= 40 + 5 * i; ++step) {
      run.metrics +=
          "{\"step\":" + std::to_string(step) + ",\"loss\":" + std::to_string(3 * std::exp(-step / 20.0)) + "}\n";
      if (step % 10 == 0)
        run.metrics += "{\"step\":" + std::to_string(step) +
                       ",\"evaluation\":{\"accuracy\":" + std::to_string(0.5 + 0.01 * i) + ",\"questions\":24}}\n";
    }
    run.final_ = {{"test", {{"questions", 24}, {"accuracy", 0.5 + 0.01 * i}}}, {"untrained", {{"accuracy", 0.1}}}};
    folders.push_back(write_run(directory, run));
  }
  return tessera::comparison_html(tessera::read_compared_runs(folders), "vilt report --compare …");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: report_page REPORT.html COMPARISON.html\n";
    return 2;
  }
  const tessera::tests::TemporaryDirectory directory;
  tessera::tests::TinyReport report(directory.path());
  report.settings.train.title = "A tiny run";
  tessera::write_report(argv[1], report.inputs());
  tessera::write_file_atomically(argv[2], comparison(directory));
}

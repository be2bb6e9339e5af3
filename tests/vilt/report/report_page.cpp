// Writes the report of a tiny run to the path that is given: for tests/cli/report_chromium_test.sh.
#include <iostream>

#include "tests/temporary_directory.h"
#include "tests/vilt/report/tiny_report.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: report_page FILE.html\n";
    return 2;
  }
  const tessera::tests::TemporaryDirectory directory;
  tessera::tests::TinyReport report(directory.path());
  report.settings.train.title = "A tiny run";
  tessera::write_report(argv[1], report.inputs());
}

// The main function of every test program: doctest's, and a program in which a test case asserted nothing fails.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "tests/skipped.h"

namespace {

int silent_cases = 0;

struct Assertions : doctest::IReporter {
  explicit Assertions(const doctest::ContextOptions&) {}

  void test_case_start(const doctest::TestCaseData& data) override {
    name_ = data.m_name;
    skipped_before_ = tessera::tests::skipped_cases;
  }
  void test_case_end(const doctest::CurrentTestCaseStats& stats) override {
    if (stats.numAssertsCurrentTest > 0 || stats.failure_flags != 0) return;
    if (tessera::tests::skipped_cases > skipped_before_) return;
    ++silent_cases;
    std::printf("no assertion ran in '%s'\n", name_);
  }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}

 private:
  const char* name_ = "";
  int skipped_before_ = 0;
};

REGISTER_LISTENER("assertions", 1, Assertions);

}  // namespace

int main(int argc, char** argv) {
  const int status = doctest::Context(argc, argv).run();
  return status != 0 ? status : silent_cases > 0;
}

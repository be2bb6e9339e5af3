#include "vilt/command/gradcheck.h"

#include <doctest/doctest.h>

#include <sstream>

#include "tensor/error.h"

namespace tessera::gradcheck_test {

TEST_CASE("gradcheck command: a table of the matching ops, exit status 0") {
  std::ostringstream out;
  CHECK(run_gradcheck_table(out, "tanh", 1) == 0);
  CHECK(out.str().find("tanh") != std::string::npos);
  CHECK(out.str().find("sigmoid") == std::string::npos);
  CHECK(out.str().find("2 checks, 42 derivatives compared, 0 failed") != std::string::npos);
}

TEST_CASE("gradcheck command: planted errors fail, exit status 1") {
  std::ostringstream out;
  CHECK(run_gradcheck_table(out, "softmax", 1, true) == 1);
  CHECK(out.str().find("FAILED") != std::string::npos);
  CHECK(out.str().find("   ok\n") == std::string::npos);
}

TEST_CASE("gradcheck command: kinks are listed and counted, and do not fail") {
  std::ostringstream out;
  CHECK(run_gradcheck_table(out, "relu", 1) == 0);
  CHECK(out.str().find("    input 0, element 1: a kink: backward gives 0, one-sided differences ") !=
        std::string::npos);
  CHECK(out.str().find(" 0 failed, 2 kinks (") != std::string::npos);
}

TEST_CASE("gradcheck command: large inputs go by directions, whose reach is told, or wholly") {
  std::ostringstream some, all;
  CHECK(run_gradcheck_table(some, "sum", 1) == 0);
  CHECK(some.str().find("along random directions: an error in one element is found from ") != std::string::npos);
  CHECK(run_gradcheck_table(all, "sum", 1, false, true) == 0);
  CHECK(all.str().find("random directions") == std::string::npos);
  CHECK(all.str().find("    3093   ") != std::string::npos);  // of the input [3, 1031]
}

TEST_CASE("gradcheck command: an op that does not exist") {
  std::ostringstream out;
  CHECK_THROWS_WITH_AS(
      run_gradcheck_table(out, "convolution", 1),
      doctest::Contains(
          "gradcheck: no op's name contains \"convolution\"; there are adaptive_avg_pool2d, add, attention"),
      Error);
}

}  // namespace tessera::gradcheck_test

// A test that cannot run here, for want of hardware, a tool or a build that checks enough, says so instead of passing
// in silence: a program fails if one of its test cases ends without an assertion and without such a line
// (tests/main.cpp).
#pragma once

#include <doctest/doctest.h>

#include <cstdio>

namespace tessera::tests {

inline int skipped_cases = 0;

// Prints "skipped: NAME (reason)", NAME being the test case's title; ./test shows these lines.
inline void skipped(const char* reason) {
  ++skipped_cases;
  std::printf("skipped: %s (%s)\n", doctest::getContextOptions()->currentTest->m_name, reason);
  std::fflush(stdout);
}

}  // namespace tessera::tests

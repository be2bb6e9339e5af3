// tests_gpu: the tests of kernels, ops and training on a real GPU. Where there is none, one line says why, and the exit
// status is 77.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "tensor/device.h"

int main(int argc, char** argv) {
  const std::string reason = tessera::why_unavailable({tessera::Device::cuda, 0});
  if (!reason.empty()) {
    std::printf("skipped: tests_gpu (%s)\n", reason.c_str());
    return 77;
  }
  return doctest::Context(argc, argv).run();
}

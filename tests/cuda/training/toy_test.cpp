// The loop on a GPU, by a task that has nothing to do with pictures or words.
#include <doctest/doctest.h>

#include "tests/error_text.h"
#include "tests/train/toy_run.h"

namespace tessera::toy_test {

constexpr Device kGpu{Device::cuda, 0};

TEST_CASE("cuda: the loop trains any task, killed and continued bit for bit, and follows the CPU") {
  const tests::TemporaryDirectory directory;
  tests::ToyRun here{directory.path() / "cpu", {}}, whole{directory.path() / "whole", kGpu},
      parts{directory.path() / "parts", kGpu};
  here.train();
  whole.train();
  CHECK(tests::error_of([&] { parts.train(7); }) == "killed");
  parts.train();
  for (const char* file : {"toy.safetensors", "optimizer.safetensors"}) CHECK(parts.file(file) == whole.file(file));
  CHECK(parts.rows() == whole.rows());
  const auto expected = here.rows(), got = whole.rows();
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i)
    for (const char* key : {"loss", "sine_loss", "quadrant_loss", "grad_norm", "quadrant_accuracy"})
      if (expected[i].contains(key))
        CHECK(got[i][key].get<double>() == doctest::Approx(expected[i][key].get<double>()).epsilon(1e-4));
}

}  // namespace tessera::toy_test

#include "nn/state_differences.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace tessera::state_differences_test {
namespace {

using StateDict = std::map<std::string, Tensor>;

// Twelve layers of three tensors, and a head.
StateDict model(const std::string& body, const std::string& head = "classifier.bias") {
  StateDict out;
  for (int i = 0; i < 12; ++i) {
    const std::string layer = text(body, i, ".");
    out[layer + "dense.weight"] = Tensor::zeros({4, 4});
    out[layer + "dense.bias"] = Tensor::zeros({4});
    out[layer + "norm.bias"] = Tensor::zeros({4});
  }
  out[head] = Tensor::zeros({2});
  return out;
}

const StateDict kExpected = model("vilt.encoder.layer.");

std::string described(const StateDict& file) { return describe_differences(kExpected, file); }
int64_t lines_of(const std::string& message) { return std::count(message.begin(), message.end(), '\n'); }

}  // namespace

TEST_CASE("differences: none") { CHECK(described(model("vilt.encoder.layer.")) == ""); }

TEST_CASE("differences: the pattern, the nearest fit, and ten names") {
  const std::string message = described(model("vilt.encoder.layers."));
  CHECK(
      message.starts_with("\n  36 are missing, all 'vilt.encoder.layer.…'; 36 are unexpected, all "
                          "'vilt.encoder.layers.…'; 1 of the model's 37 tensors fit\n"
                          "  nearest: 36 of the file's names fit with 'vilt.encoder.layer.' for "
                          "'vilt.encoder.layers.' at their beginning\n"
                          "  missing: vilt.encoder.layer.0.dense.bias, expected [4]\n"));
  CHECK(message.find("\n  unexpected: vilt.encoder.layers.0.dense.bias [4]\n") != std::string::npos);
  CHECK(message.ends_with("\n  … and 62 more"));
  CHECK(lines_of(message) == 2 + 10 + 1);
}

TEST_CASE("differences: names that lack a beginning, or have one that is not all of theirs") {
  CHECK(described(model("encoder.layer.")).find("nearest: 36 of the file's names fit with 'vilt.' before them") !=
        std::string::npos);
  StateDict file;
  for (const auto& [name, tensor] : kExpected) file["model." + name] = tensor;
  file["criterion"] = Tensor::zeros({1});
  CHECK(described(file).find("nearest: 37 of the file's names fit without 'model.' before them") != std::string::npos);
}

TEST_CASE("differences: a few are all there is to tell; shapes come first") {
  StateDict file = kExpected;
  file.erase("vilt.encoder.layer.3.norm.bias");
  file["surplus"] = Tensor::zeros({2, 3});
  file["vilt.encoder.layer.4.norm.bias"] = Tensor::zeros({7});
  file["vilt.encoder.layer.5.norm.bias"] = Tensor::zeros({4}, DType::i64);
  CHECK(described(file) ==
        "\n  1 is missing; 1 is unexpected; 1 has another shape; 1 has another type; 34 of the model's "
        "37 tensors fit\n"
        "  shape: vilt.encoder.layer.4.norm.bias is [7], expected [4]\n"
        "  type: vilt.encoder.layer.5.norm.bias is i64, expected a floating type\n"
        "  missing: vilt.encoder.layer.3.norm.bias, expected [4]\n"
        "  unexpected: surplus [2, 3]");
  // Ten and eleven of one kind.
  file = kExpected;
  for (int i = 0; i < 10; ++i) file.erase(text("vilt.encoder.layer.", i, ".norm.bias"));
  CHECK(lines_of(described(file)) == 1 + 10);
  file.erase("vilt.encoder.layer.10.norm.bias");
  CHECK(described(file).ends_with("\n  … and 1 more"));
  CHECK(lines_of(described(file)) == 1 + 10 + 1);
}

TEST_CASE("differences: another model has no nearest fit") {
  const std::string message =
      describe_differences(kExpected, {{"a.x", Tensor::zeros({1})}, {"b.y", Tensor::zeros({1})}});
  CHECK(message.starts_with("\n  37 are missing; 2 are unexpected; 0 of the model's 37 tensors fit\n  missing: "));
}

}  // namespace tessera::state_differences_test

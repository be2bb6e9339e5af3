#include "vilt/initialise.h"

#include <doctest/doctest.h>

#include "tests/vilt/tiny_model.h"

namespace tessera::initialise_test {
namespace {

using tests::tiny_settings;

std::map<std::string, std::vector<double>> initialised(const Settings::Init& init, uint64_t seed) {
  Settings settings = tiny_settings();
  settings.model.hidden_size = 32;
  settings.model.intermediate_size = 64;
  ViltWithHeads model(settings.model);
  initialise(model, init, seed);
  std::map<std::string, std::vector<double>> out;
  model.visit("",
              [&](const std::string& name, Variable& parameter) { out[name] = tests::values_of(parameter.value()); });
  return out;
}

double deviation(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return std::sqrt(sum / static_cast<double>(values.size()));
}

const std::string kProjection = "vilt.embeddings.patch_embeddings.projection.weight";  // 32 x 768
const std::string kQkv = "vilt.encoder.layer.1.attention.qkv.weight";                  // 96 x 32
const std::string kWords = "vilt.embeddings.text_embeddings.word_embeddings.weight";   // 114 x 32
const std::string kPositions = "vilt.embeddings.position_embeddings";                  // 37 x 32

}  // namespace

// A standard deviation estimated from n values scatters by 1 / sqrt(2 n): below 1.4 % from 2,600 values on. Five times
// that.
TEST_CASE("Deviations: normal, truncated normal, fan-in; tables always have init.std") {
  Settings::Init init;
  init.std = 0.05;
  const auto normal = initialised(init, 1);
  for (const std::string& name : {kProjection, kQkv, kWords})
    CHECK(deviation(normal.at(name)) == doctest::Approx(0.05).epsilon(0.07));
  init.linear = "truncated_normal";
  const auto truncated = initialised(init, 1);
  CHECK(tests::largest(truncated.at(kProjection)) < 2.5 * tests::largest(normal.at(kProjection)));
  CHECK(truncated.at(kProjection) != normal.at(kProjection));
  CHECK(truncated.at(kWords) == normal.at(kWords));
  init.linear = "fan_in";
  const auto fan_in = initialised(init, 1);
  CHECK(deviation(fan_in.at(kProjection)) == doctest::Approx(1 / std::sqrt(768.0)).epsilon(0.07));
  CHECK(deviation(fan_in.at(kQkv)) == doctest::Approx(1 / std::sqrt(32.0)).epsilon(0.07));
  CHECK(deviation(fan_in.at(kWords)) == doctest::Approx(0.05).epsilon(0.07));
  for (const auto& [name, values] : fan_in) {
    if (name.ends_with(".bias")) CHECK(tests::largest(values) == 0);
    if (name.ends_with("LayerNorm.weight") || name.find("layernorm") != std::string::npos)
      for (const double v : values) CHECK(v == (name.ends_with(".weight") ? 1 : 0));
  }
}

TEST_CASE("Values depend on seed and name alone") {
  const Settings::Init init;
  CHECK(initialised(init, 1) == initialised(init, 1));
  CHECK(initialised(init, 1).at(kQkv) != initialised(init, 2).at(kQkv));
  CHECK(initialised(init, 1).at(kQkv) != initialised(init, 1).at("vilt.encoder.layer.0.attention.qkv.weight"));
}

TEST_CASE("Cosine positions: smooth in x and y on top of the noise") {
  Settings::Init init;
  const auto noise = initialised(init, 1).at(kPositions);
  init.positions = "cosine";
  const auto table = initialised(init, 1).at(kPositions);
  const double pi = std::acos(-1.0);
  for (int y = 0; y < 6; ++y)
    for (int x = 0; x < 6; ++x)
      for (size_t channel = 0; channel < 32; ++channel) {
        const size_t i = (1 + static_cast<size_t>(y * 6 + x)) * 32 + channel;
        const size_t k = channel % 4 + 1;  // hidden / 8 = 4 frequencies, x twice, y twice, nothing in the upper half
        const double z = (channel < 8 ? x : y) / 5.0;
        const double expected = channel < 16 ? std::sqrt(2.0) * std::cos(pi * static_cast<double>(k) * z) : 0;
        CHECK(std::abs(table[i] - noise[i] - expected) < 1e-6);  // f32 of values up to 1.5
      }
  for (size_t channel = 0; channel < 32; ++channel) CHECK(table[channel] == noise[channel]);
}

}  // namespace tessera::initialise_test

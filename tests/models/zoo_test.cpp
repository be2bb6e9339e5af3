#include "models/zoo/measure.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "models/vilbert/model.h"
#include "models/zoo/multiply_adds.h"
#include "tests/error_text.h"

namespace tessera::zoo_test {

using zoo::multiply_adds;
using zoo::Role;

TEST_CASE("zoo: multiply-adds of single layers, counted by hand") {
  CHECK(multiply_adds(Linear(3, 5), 7) == 7 * 3 * 5);
  CHECK(multiply_adds(Linear(3, 5), 0) == 0);

  // 7 x 9 pixels, kernel 3 x 2, stride 2 x 3, padding 1 x 0: ⌊(7 + 2 - 3) / 2⌋ + 1 = 4 rows, ⌊(9 - 2) / 3⌋ + 1 = 3
  // columns; each output pixel of 6 channels sees 4 / 2 channels of 6 pixels.
  Size2d plane{7, 9};
  const Conv2d convolution(4, 6, {3, 2}, {.stride = {2, 3}, .padding = {1, 0}, .groups = 2});
  CHECK(multiply_adds(convolution, plane) == 4 * 3 * 6 * 2 * 6);
  CHECK(plane == Size2d{4, 3});

  // A dilated kernel of 3 reaches as far as one of 5.
  plane = {5, 6};
  CHECK(multiply_adds(Conv2d(1, 1, 3, {.dilation = 2}), plane) == 1 * 2 * 9);
  CHECK(plane == Size2d{1, 2});

  // Two layers of two directions, 5 words: 3 · 4 · (3 + 4) each, then 3 · 4 · (8 + 4).
  CHECK(multiply_adds(GruLayers({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true}), 5) ==
        5 * 2 * (12 * 7 + 12 * 12));
}

TEST_CASE("zoo: multiply-adds of a block, counted by hand") {
  // d = 4, 2 heads of 2, MLP of 6; 3 tokens. Queries, keys, values 3 · 4 · 12; for each head 3 · 3 scores of 2 products
  // and as many for the mixture; output 3 · 4 · 4; MLP 2 · 3 · 4 · 6.
  const BlockOptions options{.size = 4, .heads = 2, .hidden = 6};
  CHECK(multiply_adds(TransformerBlock(options), 3) == 144 + 2 * (2 * 9 * 2) + 48 + 144);
  // Causal: 1 + 2 + 3 scores instead of 9.
  BlockOptions causal = options;
  causal.causal = true;
  CHECK(multiply_adds(TransformerBlock(causal), 3) == 144 + 2 * (2 * 6 * 2) + 48 + 144);
  BlockOptions crossed = options;
  crossed.state_size = 4;
  CHECK_THROWS_WITH(multiply_adds(TransformerBlock(crossed), 3),
                    "multiply_adds: a block with cross-attention needs the number of its states");
}

TEST_CASE("zoo: multiply-adds of co-attention, counted by hand") {
  VilbertConfig config;
  config.text.hidden_size = 4;
  config.text.intermediate_size = 6;
  config.v_hidden_size = 3;
  config.v_intermediate_size = 5;
  config.bi_hidden_size = 2;
  config.bi_num_attention_heads = 1;
  // 5 regions, 7 tokens, both brought to 2: scores 5 · 7 · 2 in each direction, the mixtures as many.
  CHECK(multiply_adds(CoAttention(config), 5, 7) ==
        5 * 3 * 6 + 7 * 4 * 6 + 4 * 5 * 7 * 2 + 5 * 2 * 3 + 7 * 2 * 4 + 5 * 2 * 3 * 5 + 7 * 2 * 4 * 6);
}

TEST_CASE("zoo: multiply-adds of a small residual network, counted by hand") {
  // 1 block a stage of 1 channel, 4 out; 32 x 64 pixels. Stem 16 x 32 · 3 · 49; pool: 8 x 16.
  const ResNet network({.layers = {1, 1}, .widths = {1, 2}, .stem = 1});
  Size2d plane{32, 64};
  const int64_t first = 8 * 16 * (1 + 9 + 4 + 4);  // 1 to 1, 3 x 3, 1 to 4, shortcut 1 to 4
  const int64_t second = 8 * 16 * (4 * 2) + 4 * 8 * (2 * 2 * 9 + 2 * 8 + 4 * 8);  // the 3 x 3 halves, as the shortcut
  CHECK(multiply_adds(network, plane) == 16 * 32 * 3 * 49 + first + second);
  CHECK(plane == Size2d{4, 8});
}

// 4.09, 7.80 and 11.51 · 10⁹ at 224 x 224 as torchvision's tables have them, of which the classifier is 2048 · 1000.
TEST_CASE("zoo: multiply-adds of published networks") {
  const std::pair<std::vector<int64_t>, double> cases[] = {
      {{3, 4, 6, 3}, 4.09}, {{3, 4, 23, 3}, 7.80}, {{3, 8, 36, 3}, 11.51}};
  for (const auto& [layers, billions] : cases) {
    Size2d plane = 224;
    const auto count = static_cast<double>(multiply_adds(ResNet({.layers = layers}), plane) + 2048 * 1000);
    CHECK(count / 1e9 == doctest::Approx(billions).epsilon(0.005 / billions));
    CHECK(plane == Size2d{7, 7});
  }
  // One block, 8 wide, 32 x 32 pixels: 16 x 16 in the stem, 8 x 8 after it.
  const ModifiedResNet small({.layers = {1, 1, 1, 1}, .width = 2, .output_dim = 5, .heads = 2, .image_size = 32});
  const int64_t stem = 256 * (3 * 1 * 9 + 1 * 9 + 2 * 9);
  const int64_t one = 64 * (2 * 2 + 2 * 2 * 9 + 2 * 8 + 2 * 8);
  const int64_t two = 64 * (8 * 4 + 4 * 4 * 9) + 16 * (4 * 16 + 8 * 16);
  const int64_t three = 16 * (16 * 8 + 8 * 8 * 9) + 4 * (8 * 32 + 16 * 32);
  const int64_t four = 4 * (32 * 16 + 16 * 16 * 9) + 1 * (16 * 64 + 32 * 64);
  // Attention of one query to the mean and one cell, 64 wide.
  const int64_t pool = 64 * 64 + 2 * 2 * 64 * 64 + 2 * 2 * 64 + 64 * 5;
  CHECK(multiply_adds(small) == stem + one + two + three + four + pool);
}

TEST_CASE("zoo: every system runs, in parts that all have a time, and what is shared is measured once") {
  zoo::MeasureOptions options;
  options.batches = {1, 2};
  options.repeat = 1;
  options.quick = true;
  std::vector<std::string> shown;
  options.progress = [&shown](const std::string& line) { shown.push_back(line); };
  const std::vector<zoo::MeasuredSystem> measured = zoo::measure(zoo::systems(), options);
  REQUIRE(measured.size() == 7);
  for (const zoo::MeasuredSystem& system : measured) {
    CAPTURE(system.system.name);
    for (const Role role : {Role::picture, Role::text, Role::fusion})
      CHECK(std::any_of(system.parts.begin(), system.parts.end(),
                        [role](const zoo::MeasuredPart& part) { return part.part.role == role; }));
    CHECK(system.parameters() > 0);
    CHECK(system.multiply_adds() > 0);
    for (const zoo::MeasuredPart& part : system.parts) {
      CHECK(part.timings.size() == 4);
      for (const zoo::Timing& timing : part.timings) CHECK((timing.milliseconds > 0 && timing.runs == 1));
      CHECK(!part.part.run);
    }
    const double whole = system.milliseconds(Precision::bf16, 2);
    CHECK(system.milliseconds(Precision::bf16, 2, Role::picture) + system.milliseconds(Precision::bf16, 2, Role::text) +
              system.milliseconds(Precision::bf16, 2, Role::fusion) ==
          doctest::Approx(whole));
  }
  // UNITER with 36 and with 100 regions, and ViLBERT, have one detector, which runs in f32 alone.
  CHECK(std::count_if(shown.begin(), shown.end(), [](const std::string& line) {
          return line.find("UNITER") != line.npos && line.find("picture") != line.npos;
        }) == 2);
  CHECK(std::none_of(shown.begin(), shown.end(), [](const std::string& line) {
    return line.find("ViLBERT") != line.npos && line.find("picture") != line.npos;
  }));
  const zoo::Timing& detector = measured[3].parts[0].timings[1];
  CHECK((detector.precision == Precision::bf16 && detector.in_f32));
}

TEST_CASE("zoo: a part that takes long is measured once") {
  int quick_runs = 0, long_runs = 0;
  const auto build = [&](const zoo::Work&) {
    std::vector<zoo::Part> parts(2);
    parts[0].run = [&] { ++quick_runs; };
    parts[1].run = [&] { ++long_runs; };
    return parts;
  };
  zoo::System system;
  system.name = "toy";
  system.picture = 32;
  system.pictures.build = system.rest.build = build;
  zoo::MeasureOptions options;
  options.batches = {1};
  options.precisions = {Precision::highest};
  options.repeat = 4;
  zoo::measure({system}, options);
  CHECK(quick_runs == 10);
  CHECK(long_runs == 10);
  options.long_milliseconds = -1;  // whatever takes time takes long
  const std::vector<zoo::MeasuredSystem> measured = zoo::measure({system}, options);
  CHECK(quick_runs == 14);
  CHECK(measured[0].parts[1].timings[0].runs == 1);
}

TEST_CASE("zoo: both ways of suppression choose the same regions") {
  const zoo::SuppressionTimes times = zoo::measure_suppression(true, 1);
  CHECK(times.equal);
  CHECK(times.boxes > 10);
  CHECK(times.chosen >= 10);
  CHECK_THROWS_WITH(zoo::measure_suppression(true, 0), "zoo: 0 repetitions, expected at least 1");
}

TEST_CASE("zoo: the median") {
  CHECK(zoo::median({3}) == 3);
  CHECK(zoo::median({4, 1, 3}) == 3);
  CHECK(zoo::median({4, 1, 3, 2}) == 2.5);
}

}  // namespace tessera::zoo_test

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/functions.h"
#include "models/clip/zero_shot.h"
#include "models/parts/position_resampling.h"
#include "tests/error_text.h"
#include "tests/models/tiny_clip.h"
#include "tests/temporary_directory.h"

namespace tessera::clip_test {
namespace {

using tests::error_of;
using tests::lacking;

Variable pixels(int64_t count, int64_t height, int64_t width) {
  std::vector<float> values;
  for (int64_t i = 0; i < count * 3 * height * width; ++i) values.push_back(std::sin(0.37f * static_cast<float>(i)));
  return Variable(Tensor::from(values, {count, 3, height, width}), true);
}

}  // namespace

TEST_CASE("clip: where a text is pooled") {
  CHECK(pooled_position({3, 5, 9, 9, 0}, 9) == 2);
  CHECK(pooled_position({3, 5, 0}, 9) == 0);
  CHECK(pooled_position({3, 7, 9, 7}, 2) == 2);  // the largest id, of equals the first
  CHECK(pooled_position({9, 3, 9}, 2) == 0);
  CHECK(pooled_position({9}, 9) == 0);
}

TEST_CASE("clip: what follows the token that stands for a text changes nothing, nor do other texts") {
  Clip model(tests::tiny_clip_config());
  tests::draw(model);
  const std::vector<int64_t> text{512, 30, 40, 513}, longer{512, 30, 40, 513, 7, 8}, other{512, 513};
  const auto features = [&](const std::vector<std::vector<int64_t>>& texts, bool cut) {
    return model.text_features(ClipTexts::of(texts, model.config, cut), {}).value();
  };
  const Tensor alone = features({text}, true);
  const Tensor together = features({other, longer, text}, true), uncut = features({other, longer, text}, false);
  CHECK(ClipTexts::of({longer}, model.config).ids.size(0) == 4);
  // Products of a few more rows may be added up in another order, which costs 1e-6 at most.
  const auto expected = alone.to_vector<float>();
  for (const Tensor* batch : {&together, &uncut})
    for (const int64_t row : {1, 2})
      for (int64_t i = 0; i < alone.size(1); ++i)
        CHECK(batch->select(0, row).to_vector<float>()[static_cast<size_t>(i)] ==
              doctest::Approx(expected[static_cast<size_t>(i)]).epsilon(1e-5));
  CHECK(lacking(error_of([&] { features({{}}, true); }), {"clip: text 0 has no tokens"}) == "");
  CHECK(lacking(error_of([&] {
                  features({text, std::vector<int64_t>(17, 3)}, true);
                }),
                {"clip: text 1 has 17 tokens, the model reads at most 16"}) == "");
}

TEST_CASE("patch rows: raster order, and no gradient for pixels that are left over") {
  const Variable picture = pixels(2, 5, 7);
  const PatchRows rows = PatchRows::of_pixels(picture, 2);
  CHECK(rows.patches.shape() == Shape{2 * 2 * 3, 12});
  CHECK(rows.grids.size() == 2);
  const auto at = [&](int64_t n, int64_t c, int64_t y, int64_t x) {
    return picture.value().to_vector<float>()[static_cast<size_t>(((n * 3 + c) * 5 + y) * 7 + x)];
  };
  const auto values = rows.patches.value().to_vector<float>();
  // Picture 1, patch (1, 2), channel 2, row 1, column 0.
  CHECK(values[static_cast<size_t>((6 + 1 * 3 + 2) * 12 + 2 * 4 + 1 * 2 + 0)] == at(1, 2, 3, 4));
  sum(rows.patches).backward();
  const auto gradient = picture.grad().to_vector<float>();
  CHECK(gradient[0] == 1);
  CHECK(gradient[6] == 0);      // the seventh column
  CHECK(gradient[4 * 7] == 0);  // the fifth row
  CHECK(lacking(error_of([&] { PatchRows::of_pixels(picture, 6); }), {"5 x 7 pixels are less than one patch of 6"}) ==
        "");
}

TEST_CASE("resampled positions: own cell on the same grid, weights sum to 1, a plane stays one inside") {
  const ResampledPositions same = resample_positions(3, 3, 3);
  for (size_t cell = 0; cell < 9; ++cell) {
    double own = 0, all = 0;
    for (size_t k = cell * kBicubicTaps; k < (cell + 1) * kBicubicTaps; ++k) {
      all += same.weight[k];
      if (same.index[k] == static_cast<int64_t>(cell)) own += same.weight[k];
    }
    CHECK(own == doctest::Approx(1).epsilon(1e-12));
    CHECK(all == doctest::Approx(1).epsilon(1e-12));
  }
  // Keys' kernel with a = -0.75 sums to 1 but does not reproduce planes (only a = -0.5 does): its first moment is off
  // by at most 1/16 of a cell, which is what the bound allows.
  const int side = 8, rows = 5, columns = 13;
  const ResampledPositions taps = resample_positions(side, rows, columns);
  for (int i = 1; i < rows - 1; ++i)
    for (int j = 3; j < columns - 3; ++j) {
      double y = 0, x = 0, all = 0;
      for (size_t k = static_cast<size_t>(i * columns + j) * kBicubicTaps, end = k + kBicubicTaps; k < end; ++k) {
        all += taps.weight[k];
        y += taps.weight[k] * static_cast<double>(taps.index[k] / side);
        x += taps.weight[k] * static_cast<double>(taps.index[k] % side);
      }
      CHECK(all == doctest::Approx(1).epsilon(1e-12));
      CHECK(std::abs(y - ((i + 0.5) * side / rows - 0.5)) <= 1.0 / 16);
      CHECK(std::abs(x - ((j + 0.5) * side / columns - 0.5)) <= 1.0 / 16);
    }
  CHECK(resample_positions(1, 2, 2).index == std::vector<int64_t>(4 * kBicubicTaps, 0));
  CHECK(lacking(error_of([] { resample_positions(3, 0, 2); }), {"for a grid of 0 x 2"}) == "");
}

TEST_CASE("clip: a picture alone and among others of other sizes") {
  Clip model(tests::tiny_clip_config());
  tests::draw(model);
  const PatchRows one = PatchRows::of_pixels(pixels(1, 8, 12), 4), two = PatchRows::of_pixels(pixels(1, 9, 9), 4);
  const PatchRows both{concatenate({one.patches, two.patches}, 0), {one.grids[0], two.grids[0]}};
  const auto features = [&](const PatchRows& rows) {
    return model.image_features(rows, {}).value().to_vector<float>();
  };
  const auto together = features(both), first = features(one), second = features(two);
  for (size_t i = 0; i < 6; ++i) {
    CHECK(together[i] == doctest::Approx(first[i]).epsilon(1e-5));
    CHECK(together[6 + i] == doctest::Approx(second[i]).epsilon(1e-5));
  }
  CHECK(lacking(error_of([&] {
                  model.image_features({one.patches, two.grids}, {});
                }),
                {"6 patches, the pictures' grids have 4"}) == "");
}

TEST_CASE("clip: configuration, there and back, and what it refuses") {
  const ClipConfig config = tests::tiny_clip_config();
  CHECK(ClipConfig::from_json(config.to_json(), "c").to_json() == config.to_json());
  const ClipConfig usual = ClipConfig::from_json("{}", "c");
  CHECK(usual.vision.hidden_size == 768);
  CHECK(usual.vision.num_attention_heads == 12);
  CHECK(usual.text.hidden_act == Activation::quick_gelu);
  const auto refusal = [](const std::string& json) { return error_of([&] { ClipConfig::from_json(json, "c"); }); };
  CHECK(lacking(refusal(R"({"model_type": "vilt"})"), {"c: field 'model_type' is", "expected \"clip\""}) == "");
  CHECK(lacking(refusal(R"({"text_config": 3})"), {"c: field 'text_config' is not a JSON object"}) == "");
  CHECK(lacking(refusal(R"({"text_config": {"hidden_size": "x"}})"),
                {"c: field 'text_config.hidden_size' has the value \"x\", expected a whole number"}) == "");
  CHECK(lacking(refusal(R"({"vision_config": {"hidden_act": "silu"}})"), {"field 'hidden_act' is", "silu"}) == "");
  CHECK(lacking(refusal(R"({"vision_config": {"num_attention_heads": 7}})"),
                {"vision_config.hidden_size 768 is not a multiple of 7 attention heads"}) == "");
  CHECK(lacking(refusal(R"({"vision_config": {"image_size": 8}})"), {"smaller than its patch_size"}) == "");
}

TEST_CASE("clip: loading is strict, and takes no memory on a configuration's word") {
  const tests::TemporaryDirectory directory;
  tests::write_tiny_clip(directory.path());
  std::vector<std::string> lines;
  ClipLoadOptions options;
  options.report = [&](const std::string& line) { lines.push_back(line); };
  CHECK(load_clip(directory.path(), options).model->config.projection_dim == 6);
  CHECK(lines.empty());
  const std::filesystem::path weights = directory.path() / "model.safetensors";
  const NamedTensors whole = load_safetensors(weights.string()).tensors;

  NamedTensors changed = whole;
  changed.erase("logit_scale");
  changed.emplace("extra", Tensor::zeros({2}));
  save_safetensors(weights.string(), changed);
  CHECK(lacking(error_of([&] { load_clip(directory.path()); }), {"nothing was loaded", "1 is missing; 1 is unexpected",
                                                                 "missing: logit_scale", "unexpected: extra"}) == "");
  // Under OpenAI's names, with what is no parameter, and without a configuration: heads of 64 channels do not fit.
  changed = openai_names(whole);
  changed.emplace("context_length", Tensor::full({}, 16, DType::i64));
  save_safetensors(weights.string(), changed);
  CHECK(load_clip(directory.path(), options).model->config.projection_dim == 6);
  CHECK(lines == std::vector<std::string>{"ignored: context_length, which are no parameters"});
  changed.emplace("logit_scale2", Tensor::zeros({}));
  changed.emplace("text_projection.weight", Tensor::zeros({6, 8}));
  save_safetensors(weights.string(), changed);
  CHECK(lacking(error_of([&] { load_clip(directory.path()); }),
                {"stands for text_projection.weight, which the file has already"}) == "");
  std::filesystem::remove(directory.path() / "config.json");
  save_safetensors(weights.string(), whole);
  CHECK(lacking(error_of([&] { load_clip(directory.path()); }),
                {"vision_model is 12 wide, which is no multiple of 64", "give its config.json"}) == "");
  ClipConfig huge = tests::tiny_clip_config();
  huge.text.hidden_size = huge.text.intermediate_size = 1 << 20;
  directory.write("config.json", huge.to_json());
  CHECK(lacking(error_of([&] { load_clip(directory.path()); }), {"they do not belong together"}) == "");
}

TEST_CASE("clip: a residual network for pictures, from its state dict alone") {
  const tests::TemporaryDirectory directory;
  ClipConfig config = tests::tiny_clip_config();
  config.text.hidden_size = config.text.intermediate_size = 64;
  config.text.num_attention_heads = 1;
  config.eos_token_id = 2;
  config.image_size = 64;
  config.resnet =
      ModifiedResNetOptions{.layers = {1, 2, 1, 1}, .width = 4, .output_dim = 6, .heads = 2, .image_size = 64};
  Clip model(config);
  tests::draw(model);
  ParameterSet parameters(model);
  NamedTensors file = openai_names(clip_file_views(parameters.state(), config));
  file.emplace("visual.bn1.num_batches_tracked", Tensor::full({}, 3, DType::i64));
  const std::filesystem::path weights = directory.path() / "rn.safetensors";
  save_safetensors(weights.string(), file);
  CHECK(is_clip(weights));
  std::vector<std::string> lines;
  ClipLoadOptions options;
  options.report = [&](const std::string& line) { lines.push_back(line); };
  const LoadedClip clip = load_clip(weights, options);
  CHECK(lines.front() == "ignored: num_batches_tracked of 1 batch norms");
  CHECK(clip.model->config.resnet->layers == config.resnet->layers);
  CHECK(clip.model->config.image_size == 64);
  const Variable picture = pixels(2, 64, 64);
  CHECK(clip.model->image_features_of_pixels(picture, {}).value().to_vector<float>() ==
        model.image_features_of_pixels(picture, {}).value().to_vector<float>());
  CHECK(lacking(error_of([&] { clip.model->image_features(PatchRows::of_pixels(picture, 4), {}); }),
                {"takes pixels, not patches"}) == "");
  file.erase("visual.layer2.1.conv2.weight");
  save_safetensors(weights.string(), file);
  CHECK(lacking(error_of([&] { load_clip(weights); }), {"missing: visual.layer2.1.conv2.weight"}) == "");
  // A shape that asks for more memory than the file could fill.
  file["visual.layer1.0.conv1.weight"] = Tensor::zeros({100000, 1, 1, 1});
  save_safetensors(weights.string(), file);
  CHECK(lacking(error_of([&] { load_clip(weights); }), {"they do not belong together"}) == "");
}

TEST_CASE("clip: shapes that no model has are refused by name") {
  NamedTensors odd{{"visual.proj", Tensor::zeros({4})}};
  CHECK(lacking(error_of([&] { clip_names(odd, "file"); }), {"file: visual.proj is [4], expected a matrix"}) == "");
  odd = {{"transformer.resblocks.0.attn.in_proj_weight", Tensor::zeros({4, 2})}};
  CHECK(lacking(error_of([&] { clip_names(odd, "file"); }), {"expected three times as many rows"}) == "");
  CHECK(lacking(error_of([&] { clip_config_of({}, "file"); }), {"file: no configuration can be derived"}) == "");
  CHECK(lacking(error_of([&] {
                  openai_names({{"other", Tensor::zeros({1})}});
                }),
                {"there is no name of OpenAI's for other"}) == "");
}

TEST_CASE("clip: classes are means of unit vectors, and names go into templates") {
  CHECK(prompts_of("cat", {"a {}.", "{}", "two {}s"}) == std::vector<std::string>{"a cat.", "cat", "two cats"});
  CHECK(lacking(error_of([] { prompts_of("cat", {"a photo"}); }), {"template 'a photo' has no {}"}) == "");
  // Of (3, 0) and (0, 1): by their lengths it would lean to the first.
  const Tensor one = class_embeddings(Tensor::from(std::vector<float>{3, 0, 0, 1}, {2, 2}), 2);
  CHECK(one.to_vector<float>()[0] == doctest::Approx(std::sqrt(0.5)));
  CHECK(one.to_vector<float>()[1] == doctest::Approx(std::sqrt(0.5)));
  const Tensor logits = zero_shot_logits(Tensor::from(std::vector<float>{0, 2}, {1, 2}), one);
  CHECK(logits.to_vector<float>()[0] == doctest::Approx(100 * std::sqrt(0.5)));
  CHECK(lacking(error_of([&] { class_embeddings(one, 2); }), {"as many rows as classes times 2 templates"}) == "");
}

TEST_CASE("clip: the scale is held to its range") {
  for (const auto& [before, after] : {std::pair{-1.0, 0.0}, {0.0, 0.0}, {2.5, 2.5}, {9.0, std::log(100.0)}}) {
    Variable scale(Tensor::full({}, before), true);
    clamp_logit_scale_(scale);
    CHECK(scale.value().item<float>() == doctest::Approx(after));
  }
}

}  // namespace tessera::clip_test

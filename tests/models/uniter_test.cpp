#include <doctest/doctest.h>

#include <cmath>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "models/uniter/heads.h"
#include "models/uniter/losses.h"
#include "nn/init.h"
#include "tests/error_text.h"

namespace tessera::uniter_test {
namespace {

using tests::error_of;
using tests::lacking;

UniterConfig tiny() {
  UniterConfig config;
  config.bert.vocab_size = 11;
  config.bert.hidden_size = 8;
  config.bert.num_hidden_layers = 2;
  config.bert.num_attention_heads = 2;
  config.bert.intermediate_size = 12;
  config.bert.max_position_embeddings = 6;
  config.bert.type_vocab_size = 3;
  config.img_dim = 5;
  config.img_label_dim = 4;
  config.num_answers = 3;
  return config;
}

// Rows of numbers that differ from each other and from those of another seed.
Tensor numbers(int64_t rows, int64_t columns, double seed) {
  std::vector<float> values;
  for (int64_t i = 0; i < rows * columns; ++i)
    values.push_back(static_cast<float>(std::sin(seed + 1.7 * static_cast<double>(i))));
  return Tensor::from(values, {rows, columns});
}

UniterSample sample(std::vector<int64_t> ids, int64_t regions, double seed, std::vector<int64_t> masked = {}) {
  return {std::move(ids), numbers(regions, 5, seed), numbers(regions, 7, seed + 3), std::move(masked)};
}

UniterWithHeads drawn(const UniterHeads& heads) {
  UniterWithHeads model(tiny(), heads);
  model.visit("", [](const std::string& name, Variable& parameter) { init_normal_(parameter, name, 3, 0.3); });
  return model;
}

std::string refusal(const std::vector<UniterSample>& samples) {
  return error_of([&] { UniterBatch::of(samples, tiny()); });
}

std::vector<float> values_of(const Variable& x) { return x.value().contiguous().to_vector<float>(); }

}  // namespace

TEST_CASE("uniter: configuration") {
  const UniterConfig config = UniterConfig::from_json(R"({"vocab_size": 9, "img_dim": 7})", "c");
  CHECK(config.bert.vocab_size == 9);
  CHECK(config.bert.hidden_size == 768);
  CHECK(config.img_dim == 7);
  CHECK(config.img_label_dim == 1601);
  const auto error = [](const char* json) { return error_of([&] { UniterConfig::from_json(json, "c"); }); };
  CHECK(lacking(error(R"({"img_dim": 0})"), {"uniter: img_dim is 0"}) == "");
  CHECK(lacking(error(R"({"num_attention_heads": 5})"), {"768 is not a multiple of 5"}) == "");
  CHECK(lacking(error(R"({"type_vocab_size": 1})"), {"type_vocab_size is 1, expected 2"}) == "");
  CHECK(lacking(error(R"({"hidden_dropout_prob": 1})"), {"a dropout is 1"}) == "");
  CHECK(lacking(error(R"({"img_dim": "x"})"), {"c: field 'img_dim'"}) == "");
}

TEST_CASE("uniter: samples that it does not take") {
  CHECK(lacking(refusal({}), {"a batch without samples"}) == "");
  CHECK(lacking(refusal({sample({1}, 1, 0), sample({}, 2, 0)}), {"sample 1 has no text"}) == "");
  CHECK(lacking(refusal({sample({1, 2}, 0, 0)}), {"sample 0 has no regions"}) == "");
  CHECK(lacking(refusal({{{1, 2}, {}, {}}}), {"sample 0 has no regions"}) == "");
  CHECK(lacking(refusal({sample({1, 2, 3, 4, 5, 6, 7}, 1, 0)}), {"a text of 7 tokens", "at most 6"}) == "");
  UniterSample other = sample({1, 2}, 3, 0);
  other.features = numbers(3, 4, 0);
  CHECK(lacking(refusal({other}), {"regions of 4 features, the model reads 5"}) == "");
  other = sample({1, 2}, 3, 0);
  other.places = numbers(2, 7, 0);
  CHECK(lacking(refusal({other}), {"places of another shape than [3, 7]"}) == "");
  CHECK(lacking(refusal({sample({1}, 2, 0, {2})}), {"masks region 2 of 2"}) == "");
  CHECK(lacking(refusal({sample({1}, 2, 0, {1, 1})}), {"names masked regions twice or not in order"}) == "");
  other = sample({1, 2}, 3, 0);
  other.image_type = 3;
  CHECK(lacking(refusal({other}), {"an image of type 3, the model knows 3"}) == "");
}

TEST_CASE("uniter: places of regions") {
  const auto place = uniter_place(10, 20, 30, 80, 40, 100);
  const float expected[] = {0.25F, 0.2F, 0.75F, 0.8F, 0.5F, 0.6F, 0.3F};
  for (size_t i = 0; i < 7; ++i) CHECK(place[i] == doctest::Approx(expected[i]));
  CHECK(lacking(error_of([] { uniter_place(0, 0, 1, 1, 0, 5); }), {"a picture of 0 x 5 pixels"}) == "");
}

TEST_CASE("uniter: one token with one region, alone and among other samples") {
  const UniterWithHeads model = drawn({.rank = true});
  const auto states = [&](const std::vector<UniterSample>& samples) {
    return values_of(model.uniter(UniterBatch::of(samples, tiny()), {}));
  };
  const UniterSample small = sample({4}, 1, 1);
  const auto alone = states({small}), among = states({sample({1, 2, 3}, 4, 5), small, sample({7}, 2, 9)});
  REQUIRE(alone.size() == 16);
  for (size_t i = 0; i < alone.size(); ++i) CHECK(among[7 * 8 + i] == doctest::Approx(alone[i]).epsilon(1e-4));
}

TEST_CASE("uniter: what a masked region shows is not read, and the unused row of the mask embedding is not trained") {
  const UniterWithHeads model = drawn({.region_features = true});
  UniterSample one = sample({1, 2}, 3, 0, {1}), two = one;
  two.features = one.features.contiguous().to(DType::f64).to(DType::f32);
  two.features.select(0, 1).fill_(9);
  const UniterBatch first = UniterBatch::of({one}, tiny()), second = UniterBatch::of({two}, tiny());
  const Variable hidden = model.uniter(first, {});
  CHECK(values_of(hidden) == values_of(model.uniter(second, {})));
  one.masked.clear();
  CHECK(values_of(hidden) != values_of(model.uniter(UniterBatch::of({one}, tiny()), {})));
  CHECK(first.masked_rows.to_vector<int64_t>() == std::vector<int64_t>{3});
  uniter_feature_loss(model.region_features(hidden, first.masked_rows), numbers(1, 5, 2)).backward();
  const auto gradient = model.uniter.region_embeddings.mask_embedding.weight.grad().to_vector<float>();
  for (size_t i = 0; i < 5; ++i) {
    CHECK(gradient[i] == 0);
    CHECK(gradient[5 + i] != 0);
  }
}

TEST_CASE("uniter: alignment with one region is the mean of the costs, and takes false pairs off") {
  const UniterWithHeads model = drawn({.matching = true});
  const UniterBatch batch = UniterBatch::of({sample({1, 2, 3}, 1, 0), sample({4}, 3, 1)}, tiny());
  const Variable hidden = model.uniter(batch, {});
  const auto loss = [&](std::vector<int64_t> labels) { return uniter_alignment(hidden, batch, Tensor::from(labels)); };
  const UniterAlignment alignment = loss({1, 0});
  const auto cost = values_of(alignment.cost);
  REQUIRE(cost.size() == 6);
  const auto distance = alignment.distance.value().to_vector<double>();
  CHECK(distance[0] == doctest::Approx((cost[0] + cost[1] + cost[2]) / 3));
  CHECK(distance[1] == doctest::Approx((cost[3] + cost[4] + cost[5]) / 3));
  CHECK(values_of(alignment.loss)[0] == doctest::Approx((distance[0] - distance[1]) / 2));
  CHECK(values_of(loss({0, 0}).loss)[0] == doctest::Approx(-(distance[0] + distance[1]) / 2));
  CHECK(lacking(error_of([&] { loss({1}); }), {"alignment of 2 sequences with 1 labels"}) == "");
}

TEST_CASE("uniter: losses by hand") {
  const Variable logits(Tensor::from(std::vector<float>{0, 0, 0, 0, 0, std::log(2.F)}, {2, 3}));
  // Background is the likeliest of the first row and does not count; of equal classes the first one does.
  const Tensor says = Tensor::from(std::vector<float>{0.8F, 0.1F, 0.1F, 0, 0.25F, 0.75F}, {2, 3});
  CHECK(values_of(uniter_region_loss(logits, says))[0] == doctest::Approx((std::log(3.0) + std::log(2.0)) / 2));
  const double first = 0.8 * std::log(2.4) + 0.2 * std::log(0.3);
  const double second = 0.25 * std::log(0.25 * 4) + 0.75 * std::log(0.75 * 2);
  CHECK(values_of(uniter_region_kl_loss(logits, says))[0] == doctest::Approx((first + second) / 6));
  CHECK(values_of(uniter_answer_loss(logits, Tensor::zeros({2, 3})))[0] ==
        doctest::Approx((5 * std::log(2.0) + std::log(3.0)) / 2));
  const Variable scores(Tensor::from(std::vector<float>{0, 0, 9, 0}, {4, 1}));
  CHECK(values_of(uniter_rank_loss(scores, 2))[0] == doctest::Approx(0.1));  // 0.2, and a hinge at 0
  for (const int64_t group : {0, 1, 3})
    CHECK(lacking(error_of([&] { uniter_rank_loss(scores, group); }), {"expected whole groups of at least 2"}) == "");
  const Variable none(Tensor::zeros({0, 3}));
  CHECK(lacking(error_of([&] { uniter_feature_loss(none, Tensor::zeros({0, 3})); }), {"of no rows"}) == "");
  CHECK(lacking(error_of([&] { uniter_region_loss(none, Tensor::zeros({0, 3})); }), {"of no rows"}) == "");
  CHECK(lacking(error_of([&] { uniter_region_kl_loss(logits, Tensor::zeros({2, 2})); }), {"with targets of"}) == "");
}

TEST_CASE("uniter: gradients of masked features, through both uses of the tied weight, and of ranking") {
  UniterWithHeads model = drawn({.region_features = true, .rank = true});
  const ParameterSet parameters(model, DType::f64);
  const UniterBatch batch = UniterBatch::of({sample({1, 2}, 3, 0, {0, 2}), sample({3}, 1, 1)}, tiny());
  const Tensor targets = numbers(2, 5, 7);
  const auto features = [&](std::span<const Variable> in) {
    UniterWithHeads other = model;
    other.uniter.region_embeddings.image_projection.weight = in[0];
    other.uniter.region_embeddings.mask_embedding.weight = in[1];
    other.features->bias = in[2];
    return uniter_feature_loss(other.region_features(other.uniter(batch, {}), batch.masked_rows), targets);
  };
  GradcheckReport report = gradcheck_one(
      features, {random_normal({8, 5}, 1), random_normal({2, 5}, 2), random_normal({5}, 3)}, {.twins = false});
  CHECK_MESSAGE(report.ok, report.message());
  const auto ranking = [&](std::span<const Variable> in) {
    UniterWithHeads other = model;
    other.rank->weight = in[1];
    return uniter_rank_loss(other.rank_scores(in[0], batch), 2);
  };
  report = gradcheck_one(ranking, {random_normal({7, 8}, 4), random_normal({1, 8}, 5)}, {.twins = false});
  CHECK_MESSAGE(report.ok, report.message());
}

TEST_CASE("uniter: heads that are not there, pairs that are none, weights that are not the model's") {
  const UniterWithHeads model = drawn({.pair = true});
  const UniterBatch batch = UniterBatch::of({sample({1, 2}, 1, 0)}, tiny());
  const Variable hidden = model.uniter(batch, {});
  CHECK(lacking(error_of([&] { model.rank_scores(hidden, batch); }), {"no head for ranking (rank_output)"}) == "");
  CHECK(lacking(error_of([&] { model.word_logits(hidden, batch.text_rows); }), {"cls.predictions"}) == "");
  CHECK(lacking(error_of([&] { model.statement_logits(hidden, batch, {}); }), {"1 sequences are no pairs"}) == "");
  CHECK(lacking(error_of([] { UniterWithHeads(tiny(), {.pair = true, .paired_attention = true}); }), {"at once"}) ==
        "");
  UniterWithHeads other = drawn({.words = true, .region_features = true});
  const ParameterSet parameters(other);
  auto file = split_qkv(parameters.state());
  file.emplace("feat_regress.weight", Tensor::zeros({8, 5}));
  file.emplace("cls.predictions.decoder.weight", Tensor::zeros({11, 8}));
  load_uniter(parameters, file, "f");
  file.erase("uniter.encoder.layer.1.attention.self.key.bias");
  CHECK(lacking(error_of([&] { load_uniter(parameters, file, "f"); }), {"f: ", "layer.1.attention.self.key.bias"}) ==
        "");
}

TEST_CASE("uniter: a statement about two pictures, one region each") {
  for (const bool attention : {false, true}) {
    const UniterWithHeads model = drawn({.pair = !attention, .paired_attention = attention});
    UniterSample first = sample({1, 2}, 1, 0), second = sample({1, 2}, 1, 4);
    second.image_type = 2;
    const auto logits = [&](const std::vector<UniterSample>& samples) {
      const UniterBatch batch = UniterBatch::of(samples, tiny());
      return values_of(model.statement_logits(model.uniter(batch, {}), batch, {}));
    };
    const auto alone = logits({first, second});
    REQUIRE(alone.size() == 2);
    const auto among = logits({sample({3}, 4, 1), sample({3}, 2, 2), first, second});
    for (size_t i = 0; i < 2; ++i) CHECK(among[2 + i] == doctest::Approx(alone[i]).epsilon(1e-4));
    std::swap(first, second);
    CHECK(logits({first, second}) != alone);
  }
}

}  // namespace tessera::uniter_test

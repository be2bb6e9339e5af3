#include "vilt/ask/questions.h"

#include <doctest/doctest.h>

#include "autograd/functions.h"
#include "tests/vilt/tiny_model.h"

namespace tessera::questions_test {
namespace {

// Heads of every kind on the tiny model; values are drawn, since a fresh classifier's are near zero.
struct Checkpoint {
  ModelConfig config;
  std::unique_ptr<ViltWithHeads> model;
  std::unique_ptr<ParameterSet> parameters;

  explicit Checkpoint(const Heads& heads, int64_t num_images = 1, int64_t labels = 7) {
    config = tests::tiny_settings().model;
    config.heads = heads;
    config.num_images = num_images;
    config.modality_type_vocab_size = 1 + num_images;
    for (int64_t i = 0; i < labels; ++i) config.labels.push_back("label " + std::to_string(i));
    model = std::make_unique<ViltWithHeads>(config);
    parameters = std::make_unique<ParameterSet>(*model);
    Random random(3, 1);
    for (const ParameterSet::Slot& slot : parameters->slots()) {
      Tensor values = slot.parameter.value();
      for (int64_t i = 0; i < values.numel(); ++i)
        values.mutable_data<float>()[i] = static_cast<float>(random.uniform() - 0.5);
    }
  }
};

std::shared_ptr<const PatchedImage> picture(int rows, int columns, uint64_t seed) {
  PatchedImage image{rows, columns, {}};
  Random random(seed, 2);
  for (int64_t i = 0; i < int64_t{rows} * columns * 3 * 16 * 16; ++i)
    image.patches.push_back(static_cast<float>(2 * random.uniform() - 1));
  return std::make_shared<const PatchedImage>(std::move(image));
}

std::vector<int64_t> words(int64_t length) {
  std::vector<int64_t> ids{2};
  for (int64_t i = 0; i < length; ++i) ids.push_back(5 + i % 50);
  ids.push_back(3);
  return ids;
}

// Texts of 0 to 12 words, pictures of 1 to 15 patches, some of them shared.
std::vector<Question> mixed(size_t images) {
  const std::vector<std::shared_ptr<const PatchedImage>> pictures = {picture(1, 1, 1), picture(3, 5, 2),
                                                                     picture(2, 2, 3)};
  std::vector<Question> out;
  for (size_t i = 0; i < 80; ++i) {
    out.push_back({words(static_cast<int64_t>(i % 13)), {}});
    for (size_t k = 0; k < images; ++k) out.back().images.push_back(pictures[(i + k * i / 7) % 3]);
  }
  return out;
}

// f32, products of other shapes: a few roundings of values near 1.
constexpr double kRounding = 1e-5;

}  // namespace

TEST_CASE("Answers do not depend on what else is asked") {
  const Checkpoint one({.masked_words = true, .matching = true, .classifier = true, .rank = true});
  const Checkpoint two({.classifier = true}, 2);
  const std::vector<Question> single = mixed(1), pairs = mixed(2);
  const auto labels = classify(*one.model, single, 0), statements = classify(*two.model, pairs, 0);
  const auto matches = match_scores(*one.model, single), ranks = rank_scores(*one.model, single);
  for (const size_t i : {size_t{0}, size_t{1}, size_t{13}, size_t{63}, size_t{64}, size_t{79}}) {
    const auto same = [](const std::vector<LabelScore>& a, const std::vector<LabelScore>& b) {
      REQUIRE(a.size() == b.size());
      for (size_t k = 0; k < a.size(); ++k) {
        CHECK(a[k].label == b[k].label);
        CHECK(std::abs(a[k].logit - b[k].logit) < kRounding);
        CHECK(std::abs(a[k].probability - b[k].probability) < kRounding);
      }
    };
    same(classify(*one.model, std::span(single).subspan(i, 1), 0)[0], labels[i]);
    same(classify(*two.model, std::span(pairs).subspan(i, 1), 0)[0], statements[i]);
    CHECK(std::abs(match_scores(*one.model, std::span(single).subspan(i, 1))[0] - matches[i]) < kRounding);
    CHECK(std::abs(rank_scores(*one.model, std::span(single).subspan(i, 1))[0] - ranks[i]) < kRounding);
  }
  // The test can fail: other questions have other answers.
  CHECK(std::abs(ranks[0] - ranks[1]) > 10 * kRounding);
  CHECK(std::abs(statements[0][0].logit - statements[1][0].logit) > 10 * kRounding);
}

TEST_CASE("Without rank_output pairs are ranked by the logit of a match alone, without itm_score too not at all") {
  const Checkpoint one({.matching = true}), bare(Heads{});
  const std::vector<Question> single = mixed(1);
  const auto ranks = rank_scores(*one.model, single), matches = match_scores(*one.model, single);
  bool other_order = false;
  for_each_batch(*one.model, single, [&](const PackedBatch& batch, const Variable& hidden, size_t first) {
    std::vector<int64_t> rows;
    for (const auto& sequence : batch.sequences) rows.push_back(sequence.begin);
    const std::vector<float> logits = one.model->matching_logits(hidden, Tensor::from(rows)).value().to_vector<float>();
    for (size_t i = 0; i < rows.size(); ++i) {
      CHECK(ranks[first + i] == static_cast<double>(logits[2 * i + 1]));
      CHECK(matches[first + i] == static_cast<double>(logits[2 * i + 1]) - static_cast<double>(logits[2 * i]));
    }
  });
  for (size_t i = 1; i < single.size(); ++i) other_order |= (ranks[i] > ranks[0]) != (matches[i] > matches[0]);
  CHECK(other_order);  // the two are not the same
  CHECK_THROWS_WITH(rank_scores(*bare.model, single), "the model has no head for image-text matching (itm_score)");
}

TEST_CASE("Batches are bounded by tokens and by sequences, and embed an image once") {
  const Checkpoint two({.classifier = true}, 2);
  const std::vector<Question> pairs = mixed(2);
  size_t next = 0;
  for_each_batch(
      *two.model, pairs,
      [&](const PackedBatch& batch, const Variable& hidden, size_t first) {
        CHECK(first == next);
        CHECK(batch.grids.size() <= 3);
        CHECK(batch.sequences.size() % 2 == 0);
        CHECK((batch.tokens() <= 60 || batch.sequences.size() == 2));
        CHECK(hidden.shape() == Shape{batch.tokens(), two.config.hidden_size});
        const auto modality = batch.modality.to_vector<int64_t>();
        for (size_t s = 0; s < batch.sequences.size(); ++s)
          CHECK(modality[static_cast<size_t>(batch.sequences[s].first_patch_row() - 1)] ==
                1 + static_cast<int64_t>(s % 2));
        next += batch.sequences.size() / 2;
      },
      {}, nullptr, 60);
  CHECK(next == pairs.size());
  std::vector<size_t> sizes;
  for_each_batch(*two.model, pairs,
                 [&](const PackedBatch& batch, const Variable&, size_t) { sizes.push_back(batch.sequences.size()); });
  CHECK(sizes == std::vector<size_t>{64, 64, 32});
  for_each_batch(*two.model, {}, [&](const PackedBatch&, const Variable&, size_t) { FAIL("a batch of nothing"); });
}

TEST_CASE("Probabilities: sigmoids for one image, a softmax for a pair; the best come first") {
  const Checkpoint one({.classifier = true}), two({.classifier = true}, 2);
  const std::vector<Question> about_one = mixed(1), about_two = mixed(2);
  const std::span single(about_one), pairs(about_two);
  const auto answers = classify(*one.model, single.first(1), 3)[0];
  REQUIRE(answers.size() == 3);
  for (const LabelScore& answer : answers)
    CHECK(answer.probability == doctest::Approx(1 / (1 + std::exp(-answer.logit))));
  CHECK(answers[0].logit >= answers[1].logit);
  CHECK(answers[1].logit >= answers[2].logit);
  double total = 0;
  const auto statements = classify(*two.model, pairs.first(1), 0);
  for (const LabelScore& label : statements[0]) total += label.probability;
  CHECK(total == doctest::Approx(1));
  CHECK(classify(*one.model, single.first(1), 99)[0].size() == 7);
}

TEST_CASE("What cannot be asked") {
  const Checkpoint one({.masked_words = true, .classifier = true}), two({.classifier = true}, 2);
  CHECK_THROWS_WITH(classify(*one.model, mixed(2), 0), "classifier: a question with 2 images, expected 1");
  CHECK_THROWS_WITH(classify(*two.model, mixed(1), 0), "classifier: a question with 1 images, expected 2");
  CHECK_THROWS_WITH(predict_words(*one.model, mixed(2), std::vector<std::vector<int64_t>>(80), 1),
                    "mlm_score: a question with 2 images, expected 1");
  for (const ParameterSet::Slot& slot : one.parameters->slots())
    if (slot.name == "classifier.3.bias") Tensor(slot.parameter.value()).mutable_data<float>()[0] = std::nanf("");
  CHECK_THROWS_WITH(classify(*one.model, mixed(1), 0),
                    "classifier: the model's output is not finite; are the weights damaged?");
}

}  // namespace tessera::questions_test

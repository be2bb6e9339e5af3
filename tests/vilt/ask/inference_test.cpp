#include "vilt/ask/inference.h"

#include <doctest/doctest.h>

#include "autograd/functions.h"
#include "tests/vilt/tiny_model.h"

namespace tessera::inference_test {
namespace {

using tests::tiny_settings;
using tests::TinyModel;

std::vector<Question> examples(size_t count) {
  const Dataset dataset = tests::tiny_scenes().open("test");
  const SampleSource source(dataset, tests::tiny_scenes().vocabulary(), sample_options(tiny_settings()));
  std::vector<Question> out;
  for (size_t i = 0; i < count; ++i) {
    const auto s = static_cast<int64_t>(i % 40);
    out.push_back({source.text(s).ids, {std::make_shared<const PatchedImage>(source.patched(source.image_of(s)))}});
  }
  return out;
}

}  // namespace

TEST_CASE("Scores, words and maps of a pair do not depend on what else is asked, beyond one batch too") {
  const TinyModel tiny(tiny_settings(), DType::f32);
  const std::vector<Question> pairs = examples(70);  // more than the 64 of one batch
  const std::vector<double> scores = match_scores(tiny.model, pairs);
  const std::vector<std::vector<int64_t>> positions(70, {1, 2});
  const auto words = predict_words(tiny.model, pairs, positions, 3);
  const auto maps = word_maps(tiny.model, pairs, {0.5, 20, 0.5, 50});
  REQUIRE(scores.size() == 70);
  REQUIRE(maps.size() == 70);
  for (const size_t i : {size_t{0}, size_t{13}, size_t{64}, size_t{69}}) {
    // f32, products of other shapes: see model_test.cpp.
    CHECK(match_scores(tiny.model, {&pairs[i], 1})[0] == doctest::Approx(scores[i]).epsilon(1e-4));
    const auto alone = predict_words(tiny.model, {&pairs[i], 1}, {{1, 2}}, 3);
    for (size_t k = 0; k < 2; ++k) {
      REQUIRE(words[i][k].size() == 3);
      CHECK(words[i][k][0].probability >= words[i][k][1].probability);
      CHECK(words[i][k][1].probability >= words[i][k][2].probability);
      CHECK(alone[0][k][0].id == words[i][k][0].id);
      CHECK(alone[0][k][0].probability == doctest::Approx(words[i][k][0].probability).epsilon(1e-4));
    }
    CHECK(tests::relative_difference({maps[i].cost.begin(), maps[i].cost.end()}, [&] {
            const WordMaps single = word_maps(tiny.model, {pairs[i]}, {0.5, 20, 0.5, 50})[0];
            return std::vector<double>(single.cost.begin(), single.cost.end());
          }()) < 1e-4);
  }
}

TEST_CASE("Probabilities are those of the softmax over the whole vocabulary") {
  const TinyModel tiny(tiny_settings(), DType::f32);
  const auto all = predict_words(tiny.model, examples(2), {{1}, {}}, 1000);
  REQUIRE(all[0].size() == 1);
  CHECK(all[1].empty());
  CHECK(all[0][0].size() == static_cast<size_t>(tiny_settings().model.vocab_size));  // no more than there are
  double sum = 0;
  for (const WordPrediction& word : all[0][0]) sum += word.probability;
  CHECK(sum == doctest::Approx(1).epsilon(1e-12));
  CHECK_THROWS_WITH(predict_words(tiny.model, examples(1), {{99}}, 1), "predict_words: no position 99");
  CHECK_THROWS_WITH(predict_words(tiny.model, examples(1), {{-1}}, 1), "predict_words: no position -1");
  CHECK_THROWS_WITH(predict_words(tiny.model, examples(2), {{1}}, 1), "predict_words: 2 pairs, positions for 1");
}

TEST_CASE("Maps of heads: their mean is the layer's map, costs and plans are the same, and both pictures have theirs") {
  const TinyModel tiny(tiny_settings(), DType::f32);
  Question question = examples(1)[0];
  const WordMaps whole = word_maps(tiny.model, {question}, {0.1, 1000, 0.5, 50})[0];
  const HeadMaps heads = head_maps(tiny.model, question).at(0);
  REQUIRE(heads.layers == 2);
  REQUIRE(heads.heads == 2);
  const auto same = [](const std::vector<float>& a, const std::vector<float>& b) {
    return tests::relative_difference({a.begin(), a.end()}, {b.begin(), b.end()}) < 1e-5;
  };
  for (int64_t layer = 0; layer < 2; ++layer) {
    CHECK(same(heads.attention_of(layer, -1), whole.attention[static_cast<size_t>(layer)]));
    CHECK(!same(heads.attention_of(layer, 0), heads.attention_of(layer, 1)));
    std::vector<float> mean = heads.attention_of(layer, 0);
    const std::vector<float> other = heads.attention_of(layer, 1);
    for (size_t i = 0; i < mean.size(); ++i) mean[i] = (mean[i] + other[i]) / 2;
    CHECK(same(mean, heads.attention_of(layer, -1)));
  }
  CHECK(same(heads.cost, whole.cost));
  CHECK(same(heads.plan(0.1, 1000), whole.plan));
  CHECK(same(heads.plan(0.5, 50), whole.plan_training));
  // Two pictures of different sizes: those of word_maps, which gives one for each sequence.
  question.images.push_back(examples(6)[5].images[0]);
  Settings two = tiny_settings();
  two.model.modality_type_vocab_size = 3;
  const TinyModel pair_model(two, DType::f32);
  const std::vector<HeadMaps> both = head_maps(pair_model.model, question);
  const std::vector<WordMaps> expected = word_maps(pair_model.model, {question});
  REQUIRE(both.size() == 2);
  REQUIRE(expected.size() == 2);
  for (size_t i = 0; i < 2; ++i) {
    CHECK(same(both[i].attention_of(1, -1), expected[i].attention[1]));
    CHECK(same(both[i].cost, expected[i].cost));
  }
  question.ids = {question.ids.front(), question.ids.back()};
  CHECK_THROWS_WITH(head_maps(tiny.model, question), "head_maps: the text has no words");
}

TEST_CASE("Maps: words by patches, plans that are joint distributions, attention that leaves room for the words") {
  const TinyModel tiny(tiny_settings(), DType::f32);
  const std::vector<Question> pairs = examples(3);
  for (size_t i = 0; i < 3; ++i) {
    const WordMaps maps = word_maps(tiny.model, pairs)[i];
    CHECK(maps.words == static_cast<int64_t>(pairs[i].ids.size()) - 2);
    CHECK(maps.patches == int64_t{pairs[i].images[0]->rows} * pairs[i].images[0]->columns);
    const auto cells = static_cast<size_t>(maps.words * maps.patches);
    REQUIRE(maps.attention.size() == 2);
    double plan = 0;
    for (const auto* map : {&maps.attention[0], &maps.attention[1], &maps.cost, &maps.plan, &maps.plan_training})
      CHECK(map->size() == cells);
    for (const float p : maps.plan) plan += static_cast<double>(p);
    CHECK(plan == doctest::Approx(1).epsilon(1e-3));
    for (int64_t w = 0; w < maps.words; ++w) {
      double row = 0, attention = 0;
      for (int64_t p = 0; p < maps.patches; ++p) {
        row += static_cast<double>(maps.plan[static_cast<size_t>(w * maps.patches + p)]);
        attention += static_cast<double>(maps.attention[1][static_cast<size_t>(w * maps.patches + p)]);
      }
      // After 1,000 iterations the marginals are uniform; the last scaling of an iteration is that of the columns.
      CHECK(row == doctest::Approx(1.0 / static_cast<double>(maps.words)).epsilon(0.02));
      CHECK(attention > 0);
      CHECK(attention < 1);
    }
  }
}

TEST_CASE("The normalised entropy is 1 for uniform weights, 0 for a single one, whatever their sum") {
  const auto entropy = [](std::vector<float> weights) { return normalised_entropy(weights); };
  CHECK(entropy({0.5f, 0.5f, 0.5f}) == doctest::Approx(1));
  CHECK(entropy({0, 3, 0, 0}) == 0);
  CHECK(entropy({1, 1, 0, 0}) == doctest::Approx(0.5));
  CHECK(entropy({7}) == 0);
  CHECK(entropy({}) == 0);
  CHECK(entropy({0, 0}) == 0);
}

TEST_CASE("The map of a text is the sum of its words'") {
  WordMaps maps;
  maps.words = 2;
  maps.patches = 3;
  CHECK(text_map(maps) == std::vector<float>{1, 1, 1});
  maps.attention = {{9, 9, 9, 9, 9, 9}, {0.5F, 0.25F, 0, 0.125F, 0, 1}};
  CHECK(text_map(maps) == std::vector<float>{0.625F, 0.25F, 1});
}

}  // namespace tessera::inference_test

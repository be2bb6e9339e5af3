#include "vilt/model.h"

#include <doctest/doctest.h>

#include "autograd/tape.h"
#include "tests/error_text.h"
#include "tests/vilt/tiny_model.h"

namespace tessera::model_test {
namespace {

using tests::tiny_settings;
using tests::TinyModel;

struct Example {
  std::vector<int64_t> ids;
  int image;
};

std::vector<PatchedImage> random_images() {
  std::vector<PatchedImage> out;
  for (const auto& [rows, columns] : {std::pair(5, 5), std::pair(4, 6), std::pair(6, 4)}) {
    Random random(4, rows, columns);
    PatchedImage image{rows, columns, {}};
    for (int i = 0; i < rows * columns * 768; ++i) image.patches.push_back(static_cast<float>(random.normal()));
    out.push_back(image);
  }
  return out;
}

const std::vector<Example> kExamples = {
    {{2, 10, 11, 3}, 0}, {{2, 20, 3}, 1}, {{2, 30, 31, 32, 33, 34, 3}, 0}, {{2, 40, 41, 3}, 2}};

PackedBatch pack(const std::vector<Example>& examples, bool share_images = true) {
  const std::vector<PatchedImage> images = random_images();
  BatchBuilder builder(768, 6);
  std::map<int, int> added;
  for (const Example& example : examples) {
    if (!share_images || !added.contains(example.image))
      added[example.image] = builder.add_image(images[static_cast<size_t>(example.image)]);
    builder.add_sequence(example.ids, added[example.image]);
  }
  return builder.finish();
}

std::vector<double> hidden_of(const TinyModel& tiny, const PackedBatch& batch) {
  const NoGrad guard;
  return tests::values_of(tiny.model.vilt(batch, ForwardContext{}).value());
}

std::vector<double> rows_of(const std::vector<double>& hidden, const SequenceLayout& sequence) {
  return {hidden.begin() + sequence.begin * 16, hidden.begin() + (sequence.begin + sequence.length()) * 16};
}

}  // namespace

TEST_CASE("A batch of one equals its row in a batch of many") {
  // f64: the kernels may sum in another order where a batch's rows fall into other tiles. f32 likewise, with roundings
  // of 6e-8 of values of order one in sums of up to 768 terms, through two layers.
  for (const auto& [dtype, bound] : {std::pair(DType::f64, 1e-12), std::pair(DType::f32, 1e-5)}) {
    const TinyModel tiny(tiny_settings(), dtype);
    const PackedBatch many = pack(kExamples);
    const std::vector<double> hidden = hidden_of(tiny, many);
    for (size_t i = 0; i < kExamples.size(); ++i) {
      const std::vector<double> alone = hidden_of(tiny, pack({kExamples[i]}));
      const double difference = tests::relative_difference(alone, rows_of(hidden, many.sequences[i]));
      CAPTURE(difference);
      CHECK(difference < bound);
    }
  }
}

TEST_CASE("Other sequences of a batch have no influence, bit for bit") {
  // The same number of rows, other words and another picture beside it: every product has the same shape.
  std::vector<Example> others = kExamples;
  others[0].ids = {2, 50, 51, 3};
  others[2].ids = {2, 60, 61, 62, 63, 64, 3};
  for (const DType dtype : {DType::f32, DType::f64}) {
    const TinyModel tiny(tiny_settings(), dtype);
    const PackedBatch a = pack(kExamples), b = pack(others);
    const std::vector<double> x = hidden_of(tiny, a), y = hidden_of(tiny, b);
    CHECK(rows_of(x, a.sequences[1]) == rows_of(y, b.sequences[1]));
    CHECK(rows_of(x, a.sequences[3]) == rows_of(y, b.sequences[3]));
    CHECK(rows_of(x, a.sequences[0]) != rows_of(y, b.sequences[0]));
  }
}

TEST_CASE("An image that two sequences use is embedded once, and both get their gradients from it") {
  const TinyModel tiny(tiny_settings(), DType::f64);
  const PackedBatch shared = pack(kExamples), apart = pack(kExamples, false);
  CHECK(shared.patches.size(0) == 25 + 24 + 24);
  CHECK(apart.patches.size(0) == 25 + 24 + 25 + 24);
  const auto run = [&](const PackedBatch& batch) {
    tiny.parameters->clear_gradients();
    const Variable hidden = tiny.model.vilt(batch, ForwardContext{});
    std::vector<double> cotangent;
    Random random(8);
    for (int64_t i = 0; i < hidden.value().numel(); ++i) cotangent.push_back(random.normal());
    hidden.backward(Tensor::from(cotangent, hidden.shape()));
    tiny.parameters->finish_gradients();
    return tests::values_of(tiny.parameters->gradients());
  };
  CHECK(tests::relative_difference(hidden_of(tiny, shared), hidden_of(tiny, apart)) < 1e-13);
  CHECK(tests::relative_difference(run(shared), run(apart)) < 1e-12);
}

TEST_CASE("A batch of levels gives the bits of the batch of normalised values") {
  const PixelNorm norm{{0.5f, 0.4f, 0.3f}, {0.5f, 0.25f, 0.2f}};
  std::vector<uint8_t> pixels;
  Random random(3);
  for (int i = 0; i < 4 * 768; ++i) pixels.push_back(static_cast<uint8_t>(random.below(256)));
  std::vector<float> values;
  for (size_t i = 0; i < pixels.size(); ++i) {
    const size_t channel = i / 256 % 3;
    values.push_back((static_cast<float>(pixels[i]) / 255.0f - norm.mean[channel]) / norm.std[channel]);
  }
  BatchBuilder levels(768, 6, norm), plain(768, 6);
  levels.add_levels({2, 2}, [&](std::span<uint8_t> out) { std::ranges::copy(pixels, out.begin()); });
  plain.add_image({2, 2, values});
  for (BatchBuilder* builder : {&levels, &plain}) builder->add_sequence(kExamples[0].ids, 0);
  const PackedBatch a = levels.finish(), b = plain.finish();
  CHECK(a.patches.bytes() == b.patches.bytes() / 4);
  const TinyModel tiny(tiny_settings(), DType::f32);
  CHECK(hidden_of(tiny, a) == hidden_of(tiny, b));
  CHECK_THROWS_WITH_AS(levels.add_image({2, 2, values}), "batch: normalised values for a batch of levels", Error);
  CHECK_THROWS_WITH_AS(plain.add_levels({1, 1}, {}), "batch: levels for a batch of normalised values", Error);
}

TEST_CASE("Dropout differs between two uses of one image, and is drawn from the tickets") {
  Settings settings = tiny_settings();
  settings.model.hidden_dropout_prob = 0.3;
  SUBCASE("of the whole model") {}
  SUBCASE("of the embeddings alone") { settings.model.num_hidden_layers = 0; }
  const TinyModel tiny(settings, DType::f64);
  const PackedBatch twice = pack({kExamples[0], kExamples[0]});
  const auto run = [&](uint32_t step) {
    TicketSource tickets(3, step);
    ForwardContext context;
    context.training = true;
    context.tickets = &tickets;
    const NoGrad guard;
    return tests::values_of(tiny.model.vilt(twice, context).value());
  };
  const std::vector<double> first = run(1);
  CHECK(first == run(1));
  CHECK(first != run(2));
  CHECK(rows_of(first, twice.sequences[0]) != rows_of(first, twice.sequences[1]));
}

TEST_CASE("Observations: inputs of every block, and attention whose rows sum to one") {
  const TinyModel tiny(tiny_settings(), DType::f64);
  const PackedBatch batch = pack(kExamples);
  const NoGrad guard;
  Observations seen;
  seen.keep_hidden = seen.keep_attention = true;
  const auto observed = tests::values_of(tiny.model.vilt(batch, ForwardContext{}, &seen).value());
  CHECK(observed == hidden_of(tiny, batch));  // looking changes nothing
  REQUIRE(seen.hidden.size() == 3);
  CHECK(seen.hidden[0].shape() == Shape{batch.tokens(), 16});
  // The final LayerNorm of the last state is the output.
  CHECK(tests::relative_difference(tests::values_of(tiny.model.vilt.layer_norm(Variable(seen.hidden[2])).value()),
                                   observed) < 1e-12);
  REQUIRE(seen.attention.size() == 2);
  for (const Tensor& layer : seen.attention) {
    const std::vector<double> weights = tests::values_of(layer);
    size_t cell = 0;
    for (const SequenceLayout& sequence : batch.sequences)
      for (int64_t row = 0; row < sequence.length(); ++row) {
        double sum = 0;
        for (int64_t column = 0; column < sequence.length(); ++column) sum += weights[cell++];
        CHECK(std::abs(sum - 1) < 1e-6);
      }
    CHECK(cell == weights.size());
  }
}

TEST_CASE("Tied words: the decoder is the word table, and its gradient has both parts") {
  Settings settings = tiny_settings();
  settings.model.tie_word_embeddings = true;
  const TinyModel tied(settings, DType::f64);
  CHECK(tied.parameters->find("mlm_score.decoder.weight") == nullptr);
  const auto step = tests::Batches(settings).step(0);
  ObjectiveOptions options;
  options.itm_weight = options.wpa_weight = 0;
  pretrain_objectives(tied.model, step[0], options, count_divisors(step), ForwardContext{}).total.backward();
  tied.parameters->finish_gradients();
  const auto gradient =
      tests::values_of(tied.parameters->at("vilt.embeddings.text_embeddings.word_embeddings.weight").grad());
  double unused = 0;  // rows of words that the batch does not hold: only the decoder reaches them
  const auto ids = step[0].packed.token_ids.to_vector<int64_t>();
  for (int64_t word = 0; word < settings.model.vocab_size; ++word)
    if (std::find(ids.begin(), ids.end(), word) == ids.end())
      unused += std::abs(gradient[static_cast<size_t>(word) * 16]);
  CHECK(unused > 0);
}

TEST_CASE("What does not fit the model is an error") {
  const TinyModel tiny(tiny_settings(), DType::f32);
  const auto forward = [&](const PackedBatch& batch) {
    return tests::error_of([&] { tiny.model.vilt(batch, ForwardContext{}); });
  };
  BatchBuilder small(192, 6);
  small.add_image({1, 1, std::vector<float>(192)});
  small.add_sequence(std::vector<int64_t>{2, 3}, 0);
  CHECK(forward(small.finish()) == "vilt: patches have 192 values, expected 768 (patch_size 16)");
  CHECK(forward(pack({{{2, 500, 3}, 0}})).find("500") != std::string::npos);  // no such word
  std::vector<int64_t> ids(41, 5);
  CHECK(forward(pack({{ids, 0}})).find("40") != std::string::npos);  // no such position
}

}  // namespace tessera::model_test

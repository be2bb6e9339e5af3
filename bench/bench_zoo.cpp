// Whole models of other systems, with random weights: what stands beside PyTorch's classes of the same sizes.
#include <numeric>

#include "autograd/tape.h"
#include "bench/bench_model.h"
#include "models/clip/model.h"
#include "models/parts/vision_transformer.h"
#include "models/regions/detector.h"
#include "models/uniter/model.h"
#include "models/zoo/system.h"
#include "nn/adamw.h"
#include "nn/gru.h"

namespace tessera::bench {
namespace {

constexpr Size2d kPicture{800, 1333};

void report_zoo(const Arguments& arguments, const std::function<void()>& run, JsonFields extra) {
  measure(arguments, run, [&](const Milliseconds& ms) {
    JsonFields fields{{"batch", arguments.batch}, {"precision", arguments.precision}};
    fields.insert(fields.end(), extra.begin(), extra.end());
    fields.push_back({"samples_per_s", rounded(arguments.batch / ms.median * 1e3, 3)});
    return fields;
  });
}

// Gradients of `loss`, and an update of all parameters.
template <class Model, class Loss>
std::function<void()> training_step(Model& model, Loss loss) {
  const auto parameters = std::make_shared<ParameterSet>(model);
  const auto optimizer = std::make_shared<AdamW>(*parameters, AdamWOptions{});
  return [=] {
    loss().backward();
    optimizer->step(1e-4);
    parameters->clear_gradients();
  };
}

Tensor pictures(const Arguments& arguments, Size2d size) {
  return zoo::noise({arguments.batch, 3, size.height, size.width}, 0);
}

// Texts of all positions, so that neither side computes less than the published code.
ClipTexts clip_texts(const ClipConfig& config, int64_t batch) {
  std::vector<std::vector<int64_t>> texts;
  for (int64_t i = 0; i < batch; ++i) {
    texts.push_back(zoo::text_of(config.max_position_embeddings, config.eos_token_id, static_cast<uint64_t>(i)));
    texts.back().back() = config.eos_token_id;
  }
  return ClipTexts::of(texts, config);
}

// Rows of words and regions: 60 and 36 each, or with `ragged` 6 to 20 words, and 10 to 100 regions.
std::vector<int64_t> uniter_lengths(const Arguments& arguments) {
  std::vector<int64_t> out;
  for (int i = 0; i < arguments.batch; ++i) {
    const int others = std::max(arguments.batch - 1, 1);
    out.push_back(arguments.ragged ? 6 + 14 * i / others + 10 + 90 * (7 * i % arguments.batch) / others : 96);
  }
  return out;
}

struct PackedWords {
  Tensor rows, cu_seqlens;
  int64_t tokens = 0;
};

PackedWords packed_words(const std::vector<int64_t>& lengths, int64_t size) {
  std::vector<int64_t> marks{0};
  for (const int64_t length : lengths) marks.push_back(marks.back() + length);
  return {zoo::noise({marks.back(), size}, 0), Tensor::from(marks), marks.back()};
}

// Texts of 8 to 20 words.
PackedWords gru_words(const Arguments& arguments) {
  std::vector<int64_t> lengths;
  for (int i = 0; i < arguments.batch; ++i) lengths.push_back(8 + i % 13);
  return packed_words(lengths, 300);
}

}  // namespace

void bench_zoo_resnet50(const Arguments& arguments) {
  ResNet model(ResNetOptions{});
  zoo::draw(model);
  const Variable pixels(pictures(arguments, kPicture));
  const NoGrad no_grad;
  report_zoo(arguments, [&] { model(pixels, false).features(); }, {});
}

void bench_zoo_resnet50_step(const Arguments& arguments) {
  ResNet model(ResNetOptions{});
  zoo::draw(model);
  const Variable pixels(pictures(arguments, kPicture));
  report_zoo(arguments, training_step(model, [&] { return mean(model(pixels, true).features()); }), {});
}

void bench_zoo_clip(const Arguments& arguments) {
  Clip model(ClipConfig{});
  zoo::draw(model);
  const Variable pixels(pictures(arguments, model.config.image_size));
  const ClipTexts texts = clip_texts(model.config, arguments.batch);
  const ForwardContext context{.activations = use_precision(arguments.precision, arguments.device)};
  const NoGrad no_grad;
  const auto run = [&] {
    model.image_features_of_pixels(pixels, context);
    model.text_features(texts, context);
  };
  report_zoo(arguments, run, {{"tokens", texts.ids.numel()}});
}

void bench_zoo_clip_step(const Arguments& arguments) {
  Clip model(ClipConfig{});
  zoo::draw(model);
  const Variable pixels(pictures(arguments, model.config.image_size));
  const ClipTexts texts = clip_texts(model.config, arguments.batch);
  const ForwardContext context{.training = true, .activations = use_precision(arguments.precision, arguments.device)};
  const auto loss = [&] {
    return contrastive_loss(model.image_features_of_pixels(pixels, context), model.text_features(texts, context),
                            model.logit_scale);
  };
  const std::function<void()> step = training_step(model, loss);
  const auto run = [&] {
    step();
    clamp_logit_scale_(model.logit_scale);
  };
  report_zoo(arguments, run, {{"tokens", texts.ids.numel()}});
}

// The blocks and the pooler, from embedded words and regions on.
void bench_zoo_uniter(const Arguments& arguments) {
  Uniter model(UniterConfig{});
  zoo::draw(model);
  const PackedWords words = packed_words(uniter_lengths(arguments), model.config.bert.hidden_size);
  const ForwardContext context{.activations = use_precision(arguments.precision, arguments.device)};
  const Variable rows(words.rows.to(context.activations));
  const Tensor first = words.cu_seqlens.narrow(0, 0, arguments.batch);
  const NoGrad no_grad;
  const auto run = [&] {
    tanh(model.pooler(model.rows(run_blocks(model.blocks, rows, words.cu_seqlens, context), first)));
  };
  report_zoo(arguments, run, {{"ragged", arguments.ragged}, {"tokens", words.tokens}});
}

// torchvision's fasterrcnn_resnet50_fpn, from pictures of values from 0 to 1 to detections.
void bench_zoo_regions(const Arguments& arguments) {
  FasterRcnn model(RegionsConfig{});
  zoo::draw(model);
  std::vector<Tensor> photographs;
  for (int i = 0; i < arguments.batch; ++i)
    photographs.push_back(zoo::noise({3, kPicture.height, kPicture.width}, static_cast<uint64_t>(i)));
  const NoGrad no_grad;
  size_t proposals = 0;
  const auto run = [&] {
    const FasterRcnn::Result result = model.detect(picture_batch(photographs, model.config, DType::f32));
    proposals =
        static_cast<size_t>(std::accumulate(result.proposals.begin(), result.proposals.end(), Eigen::Index{0},
                                            [](Eigen::Index sum, const Boxes& boxes) { return sum + boxes.rows(); }));
  };
  measure(arguments, run, [&](const Milliseconds&) {
    return JsonFields{{"batch", arguments.batch}, {"precision", arguments.precision}, {"proposals", proposals}};
  });
}

// VSE++'s text side without its look-up: 300 to 1024.
void bench_zoo_gru(const Arguments& arguments) {
  GruLayers model({.input = 300, .hidden = 1024});
  zoo::draw(model);
  const PackedWords words = gru_words(arguments);
  const Variable rows(words.rows);
  const NoGrad no_grad;
  report_zoo(arguments, [&] { model(rows, words.cu_seqlens); }, {{"tokens", words.tokens}});
}

void bench_zoo_gru_step(const Arguments& arguments) {
  GruLayers model({.input = 300, .hidden = 1024});
  zoo::draw(model);
  const PackedWords words = gru_words(arguments);
  const Variable rows(words.rows);
  const auto loss = [&] { return mean(model(rows, words.cu_seqlens).last.back()); };
  report_zoo(arguments, training_step(model, loss), {{"tokens", words.tokens}});
}

}  // namespace tessera::bench

// The systems whose picture and text meet in a product of two vectors: VSE++ and CLIP.
#include "models/clip/model.h"
#include "models/vse/model.h"
#include "models/zoo/multiply_adds.h"
#include "models/zoo/system.h"

namespace tessera::zoo {
namespace {

constexpr int64_t kCaption = 14;  // words of VSE++'s texts: COCO's mean, with the words for beginning and end

// [n, d] and [n, d] → all cosines.
std::function<void()> cosines(int64_t batch, int64_t d) {
  const Variable a(noise({batch, d}, 1)), b(noise({batch, d}, 2));
  return [a, b] { matmul(l2_normalise(a, 0), transpose(l2_normalise(b, 0), 0, 1)); };
}

// Each text of a batch is held against each picture: `batch` products for each pair.
Part cosine_part(const Work& work, int64_t d) {
  return {"cosines", Role::fusion, 0, work.batch * d, cosines(work.batch, d)};
}

VseConfig vse_config(bool quick) {
  VseConfig config;
  config.vocab = quick ? 50 : 11755;
  config.cnn = ResNetOptions{.layers = {3, 8, 36, 3}};
  if (quick) {
    config.word_dim = 6;
    config.embed = 8;
    config.cnn = ResNetOptions{.layers = {1, 1, 1, 1}, .widths = {4, 4, 8, 8}};
  }
  config.features = config.cnn->features();
  return config;
}

std::vector<Part> vse_pictures(const Work& work) {
  const auto model = std::make_shared<Vse>(vse_config(work.quick));
  draw(*model);
  const Variable pixels(noise({work.batch, 3, work.picture.height, work.picture.width}, 0));
  Size2d plane = work.picture;
  const int64_t network = multiply_adds(*model->cnn, plane);
  const auto features = std::make_shared<Variable>();
  return {{"ResNet-152", Role::picture, parameters_of_layer(*model->cnn), network,
           [=] { *features = model->cnn_features(pixels, false); }},
          {"projection", Role::picture, parameters_of_layer(model->image_projection),
           multiply_adds(model->image_projection, 1), [=] { model->image_embeddings(*features); }}};
}

std::vector<Part> vse_rest(const Work& work) {
  VseConfig config = vse_config(work.quick);
  config.cnn.reset();
  const auto model = std::make_shared<Vse>(config);
  draw(*model);
  std::vector<std::vector<int64_t>> texts;
  for (int64_t i = 0; i < work.batch; ++i)
    texts.push_back(text_of(kCaption, model->config.vocab, static_cast<uint64_t>(i)));
  const VseTexts batch = VseTexts::of(texts);
  return {{"words and GRU", Role::text, parameters_of_layer(model->words) + parameters_of_layer(model->rnn),
           multiply_adds(model->rnn, kCaption), [=] { model->text_embeddings(batch); }},
          cosine_part(work, model->config.embed)};
}

ClipConfig clip_config(bool residual, bool quick) {
  ClipConfig config;
  if (residual) {
    config.resnet = ModifiedResNetOptions{};
    config.projection_dim = 1024;
  }
  if (!quick) return config;
  config.text = {.hidden_size = 16, .intermediate_size = 32, .num_hidden_layers = 2, .num_attention_heads = 2};
  config.vision = config.text;
  config.image_size = 64;
  config.vocab_size = 60;
  config.eos_token_id = 59;
  config.max_position_embeddings = 12;
  config.projection_dim = 8;
  if (residual)
    config.resnet =
        ModifiedResNetOptions{.layers = {1, 1, 1, 1}, .width = 4, .output_dim = 8, .heads = 2, .image_size = 64};
  return config;
}

std::vector<Part> clip_pictures(bool residual, const Work& work) {
  const auto model = std::make_shared<Clip>(clip_config(residual, work.quick));
  draw(*model);
  const int64_t side = residual ? model->config.resnet->image_size : model->config.image_size;
  const Variable pixels(noise({work.batch, 3, side, side}, 0));
  const ForwardContext context{.activations = work.activations};
  const auto run = [=] { model->image_features_of_pixels(pixels, context); };
  if (residual)
    return {{"ResNet-50", Role::picture, parameters_of_layer(*model->resnet), multiply_adds(*model->resnet), run}};
  VisionTransformer& vision = model->vision;
  const int64_t patches = model->config.table_side() * model->config.table_side();
  int64_t sum = multiply_adds(vision.patch_projection, patches) + multiply_adds(model->visual_projection, 1);
  for (const TransformerBlock& block : vision.blocks) sum += multiply_adds(block, 1 + patches);
  const int64_t parameters = parameters_of([&](const ParameterVisitor& visitor) {
    vision.visit("", {}, {"", {}}, visitor);
    model->visual_projection.visit("", visitor);
  });
  return {{"ViT-B/32", Role::picture, parameters, sum, run}};
}

// All positions of the table: the published code computes as many for every text.
std::vector<Part> clip_rest(bool residual, const Work& work) {
  const auto model = std::make_shared<Clip>(clip_config(residual, work.quick));
  draw(*model);
  const ClipConfig& config = model->config;
  std::vector<std::vector<int64_t>> texts;
  for (int64_t i = 0; i < work.batch; ++i) {
    texts.push_back(text_of(config.max_position_embeddings, config.eos_token_id, static_cast<uint64_t>(i)));
    texts.back().back() = config.eos_token_id;
  }
  const ClipTexts batch = ClipTexts::of(texts, config);
  int64_t sum = multiply_adds(model->text_projection, 1);
  for (const TransformerBlock& block : model->text.blocks) sum += multiply_adds(block, config.max_position_embeddings);
  const int64_t parameters = parameters_of([&](const ParameterVisitor& visitor) {
    model->visit("", [&](const std::string& name, Variable& parameter) {
      if (name.starts_with("text_")) visitor(name, parameter);
    });
  });
  const ForwardContext context{.activations = work.activations};
  return {{"transformer", Role::text, parameters, sum, [=] { model->text_features(batch, context); }},
          cosine_part(work, config.projection_dim)};
}

}  // namespace

System vse_system() {
  return {.name = "vse",
          .title = "VSE++ (ResNet-152, GRU)",
          .rule = "picture > text > fusion",
          .picture = 224,
          .tokens = [](const Work&) { return text("1 + ", kCaption); },
          .pictures = {.build = vse_pictures},
          .rest = {.build = vse_rest}};
}

System clip_system(bool residual) {
  return {
      .name = residual ? "clip-rn50" : "clip-b32",
      .title = residual ? "CLIP (RN50)" : "CLIP (ViT-B/32)",
      .rule = "picture = text > fusion",
      .picture = 224,
      .any_size = false,
      .tokens =
          [residual](const Work& work) {
            const ClipConfig config = clip_config(residual, work.quick);
            return text(residual ? 1 : 1 + config.table_side() * config.table_side(), " + ",
                        config.max_position_embeddings);
          },
      .pictures = {.build = [residual](const Work& work) { return clip_pictures(residual, work); }, .bf16 = !residual},
      .rest = {.build = [residual](const Work& work) { return clip_rest(residual, work); }, .bf16 = true}};
}

}  // namespace tessera::zoo

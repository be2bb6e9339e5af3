// The systems whose picture and text meet in a transformer: UNITER and ViLBERT on regions, Pixel-BERT on a grid.
#include "models/parts/vision_transformer.h"
#include "models/pixelbert/model.h"
#include "models/uniter/model.h"
#include "models/vilbert/model.h"
#include "models/zoo/multiply_adds.h"
#include "models/zoo/system.h"

namespace tessera::zoo {
namespace {

constexpr Size2d kLarge{800, 1333};  // as ViLT's Table 6 has them for regions and grids
constexpr const char* kHeavyPicture = "picture > fusion > text";
constexpr const char* kRegions = "regions of a ResNet-101";

BertConfig tiny_bert() {
  return {.vocab_size = 60,
          .hidden_size = 16,
          .num_hidden_layers = 2,
          .num_attention_heads = 2,
          .intermediate_size = 32,
          .max_position_embeddings = 16};
}

Variable zoo_input(const Variable& x, DType dtype) { return x.dtype() == dtype ? x : cast(x, dtype); }

int64_t of_blocks(const std::vector<TransformerBlock>& blocks, int64_t tokens) {
  int64_t sum = 0;
  for (const TransformerBlock& block : blocks) sum += multiply_adds(block, tokens);
  return sum;
}

int64_t parameters_of_blocks(std::vector<TransformerBlock>& blocks) {
  int64_t sum = 0;
  for (TransformerBlock& block : blocks) sum += parameters_of_layer(block);
  return sum;
}

Tensor columns(const Tensor& of, int64_t count) { return of.narrow(0, 0, count).contiguous(); }

struct Lengths {
  int64_t regions, words;
};
Lengths uniter_lengths(int64_t regions, const Work& work) { return work.quick ? Lengths{4, 5} : Lengths{regions, 60}; }
// With the row of the whole picture.
Lengths vilbert_lengths(const Work& work) { return work.quick ? Lengths{5, 5} : Lengths{37, 36}; }
int64_t pixelbert_words(const Work& work) { return work.quick ? 5 : 40; }

// UNITER's fusion begins with the regions' features, which a detector has made.
std::vector<Part> uniter_rest(int64_t published_regions, const Work& work) {
  const auto [regions, words] = uniter_lengths(published_regions, work);
  UniterConfig config;
  if (work.quick) {
    config.bert = tiny_bert();
    config.img_dim = 32;
  }
  const auto model = std::make_shared<Uniter>(config);
  draw(*model);
  std::vector<UniterSample> samples;
  for (int64_t i = 0; i < work.batch; ++i) {
    const auto stream = static_cast<uint64_t>(i);
    samples.push_back({.ids = text_of(words, config.bert.vocab_size, stream),
                       .features = noise({regions, config.img_dim}, stream),
                       .places = noise({regions, kUniterPlace}, stream)});
  }
  const UniterBatch batch = UniterBatch::of(samples, config);
  const ForwardContext context{.activations = work.activations};
  const auto text = std::make_shared<Variable>();
  UniterRegionEmbeddings& embeddings = model->region_embeddings;
  const int64_t sum = multiply_adds(embeddings.image_projection, regions) +
                      multiply_adds(embeddings.place_projection, regions) + of_blocks(model->blocks, words + regions) +
                      multiply_adds(model->pooler, 1);
  const int64_t parameters =
      parameters_of_layer(embeddings) + parameters_of_blocks(model->blocks) + parameters_of_layer(model->pooler);
  return {{"word embeddings", Role::text, parameters_of_layer(model->embeddings), 0,
           [=] { *text = model->embeddings(batch.ids, batch.positions, batch.text_types, context); }},
          {"transformer", Role::fusion, parameters, sum, [=] {
             const Variable rows = model->region_embeddings(batch, model->embeddings.token_type_embeddings, context);
             const Variable x = zoo_input(gather_rows({*text, rows}, batch.order), work.activations);
             model->pooled(run_blocks(model->blocks, x, batch.cu_seqlens, context), batch);
           }}};
}

std::vector<Part> vilbert_rest(const Work& work) {
  const auto [regions, words] = vilbert_lengths(work);
  VilbertConfig config;
  if (work.quick) {
    config.text = tiny_bert();
    config.v_feature_size = 32;
    config.v_hidden_size = config.v_intermediate_size = config.bi_hidden_size = 16;
    config.v_num_hidden_layers = 1;
    config.v_num_attention_heads = config.bi_num_attention_heads = 2;
    config.v_biattention_id = {0};
    config.t_biattention_id = {1};
  }
  const auto model = std::make_shared<Vilbert>(config);
  draw(*model);
  std::vector<std::vector<int64_t>> texts;
  std::vector<PictureRows> pictures;
  for (int64_t i = 0; i < work.batch; ++i) {
    const auto stream = static_cast<uint64_t>(i);
    texts.push_back(text_of(words, config.text.vocab_size, stream));
    pictures.push_back({noise({regions, config.v_feature_size}, stream), noise({regions, 5}, stream)});
  }
  const VilbertTexts packed_texts = VilbertTexts::of(texts, config);
  const VilbertPictures packed_pictures = VilbertPictures::of(pictures, config);
  const ForwardContext context{.activations = work.activations};
  const auto streams = std::make_shared<VilbertStreams>();
  VilbertRegionEmbeddings& embeddings = model->region_embeddings;
  int64_t sum = multiply_adds(embeddings.image_embeddings, regions) +
                multiply_adds(embeddings.image_location_embeddings, regions) + of_blocks(model->text_layers, words) +
                of_blocks(model->vision_layers, regions) + multiply_adds(model->text_pooler, 1) +
                multiply_adds(model->vision_pooler, 1);
  for (const CoAttention& layer : model->co_attention_layers) sum += multiply_adds(layer, regions, words);
  int64_t parameters = 0;
  model->visit("", [&](const std::string& name, Variable& parameter) {
    if (parameter.requires_grad() && !name.starts_with("embeddings.")) parameters += parameter.value().numel();
  });
  return {{"word embeddings", Role::text, parameters_of_layer(model->embeddings), 0,
           [=] {
             streams->text = model->embeddings(packed_texts.ids, packed_texts.positions, packed_texts.types, context);
           }},
          {"two streams", Role::fusion, parameters, sum, [=] {
             const Variable rows = model->region_embeddings(packed_pictures, context);
             model->encode({zoo_input(rows, work.activations), zoo_input(streams->text, work.activations),
                            packed_pictures.cu_seqlens, packed_texts.cu_seqlens},
                           context);
           }}};
}

PixelBertConfig pixelbert_config(bool quick) {
  PixelBertConfig config;
  if (quick) {
    config.bert = tiny_bert();
    config.cnn = {.layers = {1, 1, 1, 1}, .widths = {4, 4, 8, 8}};
  }
  return config;
}

// Cells of the grid: the network halves a picture five times, rounding up, and the pool once more, rounding down.
Size2d grid_of(const PixelBert& model, Size2d picture) {
  Size2d plane = picture;
  multiply_adds(model.backbone, plane);
  check(plane.least() >= 2, "zoo: pixelbert: a picture of ", picture, " leaves no cell of the grid");
  return {plane.height / 2, plane.width / 2};
}

std::vector<Part> pixelbert_pictures(const Work& work) {
  const auto model = std::make_shared<PixelBert>(pixelbert_config(work.quick));
  draw(*model);
  const Variable pixels(noise({work.batch, 3, work.picture.height, work.picture.width}, 0));
  Size2d plane = work.picture;
  const int64_t network = multiply_adds(model->backbone, plane);
  Size2d grid = grid_of(*model, work.picture);
  return {{"ResNet-50 and grid", Role::picture,
           parameters_of_layer(model->backbone) + parameters_of_layer(model->projection) + model->semantic.size(0),
           network + multiply_adds(model->projection, grid), [=] { model->grids(pixels, false); }}};
}

std::vector<Part> pixelbert_rest(const Work& work) {
  const auto model = std::make_shared<PixelBert>(pixelbert_config(work.quick));
  draw(*model);
  const BertConfig& bert = model->config.bert;
  const int64_t words = pixelbert_words(work), cells = grid_of(*model, work.picture).area();
  std::vector<int64_t> ids, positions, order, marks{0};
  for (int64_t i = 0; i < work.batch; ++i) {
    for (const int64_t id : text_of(words, bert.vocab_size, static_cast<uint64_t>(i))) ids.push_back(id);
    for (int64_t t = 0; t < words; ++t) {
      positions.push_back(t);
      order.push_back(i * words + t);
    }
    for (int64_t c = 0; c < cells; ++c) order.push_back(work.batch * words + i * cells + c);
    marks.push_back(static_cast<int64_t>(order.size()));
  }
  const Tensor id_rows = Tensor::from(ids), position_rows = Tensor::from(positions), rows = Tensor::from(order),
               cu_seqlens = Tensor::from(marks), types = Tensor::zeros_like(id_rows);
  const Variable grid(noise({work.batch * cells, bert.hidden_size}, 0));
  const ForwardContext context{.activations = work.activations};
  const auto text = std::make_shared<Variable>();
  return {{"word embeddings", Role::text, parameters_of_layer(model->embeddings), 0,
           [=] { *text = model->embeddings(id_rows, position_rows, types, context); }},
          {"transformer", Role::fusion, parameters_of_blocks(model->blocks) + parameters_of_layer(model->pooler),
           of_blocks(model->blocks, words + cells) + multiply_adds(model->pooler, 1), [=] {
             const Variable x = zoo_input(gather_rows({*text, grid}, rows), work.activations);
             const Variable states = run_blocks(model->blocks, x, cu_seqlens, context);
             tanh(model->pooler(gather_rows({states}, columns(cu_seqlens, work.batch))));
           }}};
}

Published region_figures(std::string tokens, double parameters, double flops, std::string split) {
  return {std::move(tokens), parameters, flops, 900, std::move(split)};
}

}  // namespace

System uniter_system(int64_t regions) {
  return {.name = text("uniter-", regions),
          .title = text("UNITER-base, ", regions, " regions"),
          .rule = kHeavyPicture,
          .picture = kLarge,
          .tokens =
              [regions](const Work& work) {
                const Lengths lengths = uniter_lengths(regions, work);
                return text(lengths.regions, " + ", lengths.words);
              },
          .published = region_figures("36 + 60", 154.7, 949.9, "75 backbone, 810 RPN, NMS and RoI head, 15 fusion"),
          .pictures = {.build = region_parts, .shared = kRegions},
          .rest = {.build = [regions](const Work& work) { return uniter_rest(regions, work); }, .bf16 = true}};
}

System vilbert_system() {
  return {.name = "vilbert",
          .title = "ViLBERT, 36 regions",
          .rule = kHeavyPicture,
          .picture = kLarge,
          .tokens =
              [](const Work& work) {
                const Lengths lengths = vilbert_lengths(work);
                return text(lengths.regions, " + ", lengths.words);
              },
          .published = region_figures("36 + 36", 274.3, 958.1, ""),
          .pictures = {.build = region_parts, .shared = kRegions},
          .rest = {.build = vilbert_rest, .bf16 = true}};
}

System pixelbert_system() {
  return {.name = "pixelbert",
          .title = "Pixel-BERT (ResNet-50)",
          .rule = kHeavyPicture,
          .picture = kLarge,
          .tokens =
              [](const Work& work) {
                const PixelBert model(pixelbert_config(true));  // all have the same strides
                return text(grid_of(model, work.picture).area(), " + ", pixelbert_words(work));
              },
          .published = Published{"260 + ?", 94.9, 136.8, 60, "45 backbone, 15 fusion"},
          .pictures = {.build = pixelbert_pictures},
          .rest = {.build = pixelbert_rest, .bf16 = true}};
}

}  // namespace tessera::zoo

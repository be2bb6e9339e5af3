// ViLT as `vilt zoo` measures it.
#include "autograd/functions.h"
#include "models/zoo/multiply_adds.h"
#include "vilt/command/zoo.h"
#include "vilt/model.h"

namespace tessera::command {
namespace {

using zoo::multiply_adds;
using zoo::parameters_of_layer;
using zoo::Part;
using zoo::Role;
using zoo::Work;

ModelConfig vilt_config(bool quick) {
  ModelConfig config;
  config.heads = {};
  if (!quick) return config;
  config.vocab_size = 60;
  config.hidden_size = 16;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.intermediate_size = 32;
  config.image_size = 96;
  return config;
}

// Of a picture's patches all are projected and, as in Table 6, at most 200 are seen.
struct Lengths {
  Grid grid;
  int64_t patches, seen, words;
};
Lengths lengths_of(const ModelConfig& config, const Work& work) {
  constexpr int64_t kMostPatches = 200;
  const Grid grid{static_cast<int>(work.picture.height / config.patch_size),
                  static_cast<int>(work.picture.width / config.patch_size)};
  const int64_t patches = int64_t{grid.rows} * grid.columns;
  check(patches > 0, "zoo: vilt: a picture of ", work.picture, " has no patch of ", config.patch_size, " x ",
        config.patch_size, " pixels");
  return {grid, patches, std::min(patches, kMostPatches), work.quick ? 5 : config.max_position_embeddings};
}

struct ViltBatch {
  Vilt model;
  PackedBatch packed;
  Lengths lengths;
  Variable text, picture;  // what the parts leave

  explicit ViltBatch(const Work& work) : model(vilt_config(work.quick)), lengths(lengths_of(model.config, work)) {
    zoo::draw(model);
    const ModelConfig& config = model.config;
    std::vector<int64_t> order(static_cast<size_t>(lengths.seen));
    for (int64_t i = 0; i < lengths.seen; ++i) order[static_cast<size_t>(i)] = i * lengths.patches / lengths.seen;
    BatchBuilder builder(config.patch_values(), config.table_side());
    for (int64_t i = 0; i < work.batch; ++i) {
      const auto stream = static_cast<uint64_t>(i);
      const Tensor values = zoo::noise({lengths.patches * config.patch_values()}, stream);
      const int image = builder.add_image({lengths.grid.rows, lengths.grid.columns, values.to_vector<float>()});
      builder.add_sequence(zoo::text_of(lengths.words, config.vocab_size, stream), image, order);
    }
    packed = builder.finish();
  }

  // Vilt::embed in its parts.
  void embed_pictures(DType activations) {
    const Variable projected = model.patch_projection(Variable(packed.patches.to(activations)));
    picture = model.in_parameter_type(projected) +
              interpolate_rows(model.position_embeddings, packed.position_index, packed.position_weight.to(DType::f32));
  }
  void fuse(const ForwardContext& context) {
    const Variable class_token = model.cls_token + narrow(model.position_embeddings, 0, 0, 1);
    Stream stream{embed_tokens({text, class_token, picture}, packed.gather, model.modality_embeddings.weight,
                               packed.modality, 0, {}, context.activations),
                  {}};
    for (const TransformerBlock& block : model.blocks) stream = block(stream, packed.cu_seqlens, context);
    const Variable hidden = add_layer_norm(stream, model.layer_norm, context).normalised;
    model.pooled(hidden, packed.cu_seqlens.narrow(0, 0, packed.cu_seqlens.numel() - 1));
  }
};

std::vector<Part> vilt_parts(const Work& work, bool pictures) {
  const auto batch = std::make_shared<ViltBatch>(work);
  Vilt& model = batch->model;
  const ForwardContext context{.activations = work.activations};
  const DType activations = work.activations;
  if (pictures)
    return {{"patch projection", Role::picture,
             parameters_of_layer(model.patch_projection) + model.position_embeddings.value().numel() +
                 model.cls_token.value().numel(),
             multiply_adds(model.patch_projection, batch->lengths.patches),
             [=] { batch->embed_pictures(activations); }}};
  batch->embed_pictures(activations);
  int64_t sum = multiply_adds(model.pooler, 1);
  int64_t parameters = parameters_of_layer(model.pooler) + parameters_of_layer(model.layer_norm) +
                       parameters_of_layer(model.modality_embeddings);
  for (TransformerBlock& block : model.blocks) {
    sum += multiply_adds(block, batch->lengths.words + 1 + batch->lengths.seen);
    parameters += parameters_of_layer(block);
  }
  return {{"word embeddings", Role::text, parameters_of_layer(model.text_embeddings), 0,
           [=] { batch->text = batch->model.text_embeddings(batch->packed); }},
          {"transformer", Role::fusion, parameters, sum, [=] { batch->fuse(context); }}};
}

}  // namespace

zoo::System zoo_vilt() {
  return {.name = "vilt",
          .title = "ViLT-B/32",
          .rule = "fusion > picture = text",
          .picture = {384, 640},
          .tokens =
              [](const Work& work) {
                const ModelConfig config = vilt_config(work.quick);
                const Lengths lengths = lengths_of(config, work);
                return text(1 + lengths.seen, " + ", lengths.words);
              },
          .published = zoo::Published{"200 + 40", 87.4, 55.9, 15, "0.4 patch projection, 15 fusion"},
          .pictures = {.build = [](const Work& work) { return vilt_parts(work, true); }, .bf16 = true},
          .rest = {.build = [](const Work& work) { return vilt_parts(work, false); }, .bf16 = true}};
}

}  // namespace tessera::command

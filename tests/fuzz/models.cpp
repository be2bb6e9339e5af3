#include <algorithm>

#include "io/safetensors.h"
#include "models/clip/config.h"
#include "models/clip/picture_index.h"
#include "models/clip/shape_config.h"
#include "models/uniter/config.h"
#include "models/vilbert/config.h"
#include "models/vse/model.h"
#include "tests/fuzz/targets.h"

namespace tessera::fuzz {

void model_config(Bytes bytes) {
  const std::string source(as_text(bytes));
  ClipConfig clip;
  if (accepted([&] { clip = ClipConfig::from_json(source, "fuzz"); })) {
    clip.validate();
    ensure(clip.table_side() >= 1, "a grid of ", clip.table_side());
    const std::string json = clip.to_json();
    ensure(ClipConfig::from_json(json, "written").to_json() == json, "writing and reading changed the configuration");
  }
  UniterConfig uniter;
  if (accepted([&] { uniter = UniterConfig::from_json(source, "fuzz"); })) uniter.validate();
  VilbertConfig vilbert;
  if (accepted([&] { vilbert = VilbertConfig::from_json(source, "fuzz"); })) {
    vilbert.validate();
    // Every layer once.
    const auto layers = static_cast<size_t>(vilbert.text.num_hidden_layers + vilbert.v_num_hidden_layers);
    const size_t steps = vilbert_schedule(vilbert).size();
    ensure(steps == layers + vilbert.v_biattention_id.size(), steps, " steps of ", layers, " layers");
  }
  VseConfig vse;
  if (accepted([&] { vse = VseConfig::from_json(source, "fuzz"); }))
    ensure(vse.features >= 1 && vse.vocab >= 1 && vse.layers >= 1, "sizes of ", vse.features, ", ", vse.vocab);
}

// Shapes that nobody has checked: the configuration that they tell is a possible one, and no larger than they.
void clip_weights(Bytes bytes) {
  ClipState state;
  ClipConfig config;
  const bool derived = accepted([&] {
    state = clip_names(parse_safetensors(bytes, "fuzz").tensors, "fuzz");
    config = clip_config_of(state.tensors, "fuzz");
    check_clip_size(config, state.tensors, "fuzz");
  });
  if (!derived) return;
  config.validate();
  const auto most = static_cast<int64_t>(bytes.size());
  for (const int64_t size : {config.vocab_size, config.text.hidden_size, config.text.num_hidden_layers,
                             config.text.intermediate_size, config.max_position_embeddings, config.projection_dim})
    ensure(size <= most, "a size of ", size, " from ", most, " bytes");
  if (config.resnet) return;
  accepted([&] { openai_names(state.tensors); });
}

void picture_index(Bytes bytes) {
  PictureIndex index;
  if (!accepted([&] { index = PictureIndex::parse(parse_safetensors(bytes, "fuzz"), "fuzz"); })) return;
  const auto count = static_cast<int64_t>(index.entries.size());
  ensure(index.vectors.size(0) == count, count, " pictures, ", index.vectors.size(0), " vectors");
  const std::vector<Hit> hits = nearest(index.vectors, Tensor::full({index.vectors.size(1)}, 0.5), 10);
  ensure(static_cast<int64_t>(hits.size()) == std::min<int64_t>(10, count), hits.size(), " hits of ", count);
  for (size_t i = 0; i < hits.size(); ++i) {
    ensure(hits[i].row >= 0 && hits[i].row < count, "row ", hits[i].row, " of ", count);
    ensure(i == 0 || !(hits[i].cosine > hits[i - 1].cosine), "hit ", i, " is nearer than the one before it");
  }
}

}  // namespace tessera::fuzz

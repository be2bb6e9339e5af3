#include "models/clip/shape_config.h"

#include "models/parts/told_sizes.h"

namespace tessera {
namespace {

int64_t side_of(int64_t places, const std::string& source) {
  int64_t side = 1;
  while ((side + 1) * (side + 1) <= places) ++side;
  check(side * side == places, source, ": ", places, " image positions are not a square");
  return side;
}

ClipTower tower_of(const NamedTensors& tensors, const std::string& source, const std::string& tower, int64_t width) {
  constexpr int64_t kHeadSize = 64;
  ClipTower out;
  out.hidden_size = width;
  const std::string layers = tower + ".encoder.layers.";
  out.num_hidden_layers = told_layers(tensors, layers, ".mlp.fc1.weight");
  check(out.num_hidden_layers > 0, source, ": no configuration can be derived: there are no blocks of ", tower);
  out.intermediate_size = told_size(tensors, source, layers + "0.mlp.fc1.weight", 2, 0);
  check(width % kHeadSize == 0, source, ": ", tower, " is ", width, " wide, which is no multiple of ", kHeadSize,
        ", the channels of a head in all models that come without a configuration; give its config.json");
  out.num_attention_heads = width / kHeadSize;
  return out;
}

void read_vision(ClipConfig& config, const NamedTensors& tensors, const std::string& source) {
  const std::string patches = "vision_model.embeddings.patch_embedding.weight";
  config.vision = tower_of(tensors, source, "vision_model", told_size(tensors, source, patches, 4, 0));
  config.patch_size = told_size(tensors, source, patches, 4, 3);
  const int64_t places = told_size(tensors, source, "vision_model.embeddings.position_embedding.weight", 2, 0) - 1;
  config.image_size = side_of(places, source) * config.patch_size;
}

ModifiedResNetOptions resnet_of(const NamedTensors& tensors, const std::string& source) {
  ModifiedResNetOptions out;
  out.width = told_size(tensors, source, "visual.layer1.0.conv1.weight", 4, 0);
  for (size_t stage = 0; stage < out.layers.size(); ++stage) {
    out.layers[stage] = told_layers(tensors, text("visual.layer", stage + 1, '.'), ".conv1.weight");
  }
  out.heads = out.width / 2;  // 64 channels each
  out.output_dim = told_size(tensors, source, "visual.attnpool.c_proj.weight", 2, 0);
  const int64_t cells = told_size(tensors, source, "visual.attnpool.positional_embedding", 2, 0) - 1;
  out.image_size = 32 * side_of(cells, source);
  return out;
}

// Roughly: what is left out is less.
double parameters_of(const ModifiedResNetOptions& options) {
  const auto channels = static_cast<double>(options.channels());
  double out = channels * (3 * channels + static_cast<double>(options.output_dim));
  double width = static_cast<double>(options.width);
  for (const int64_t blocks : options.layers) {
    out += static_cast<double>(blocks) * 17 * width * width;
    width *= 2;
  }
  return out;
}

}  // namespace

ClipConfig clip_config_of(const NamedTensors& tensors, const std::string& source) {
  const auto size = [&](const std::string& name, int dim, int dimension) {
    return told_size(tensors, source, name, dim, dimension);
  };
  ClipConfig config;
  if (has_resnet(tensors)) {
    config.resnet = resnet_of(tensors, source);
    config.image_size = config.resnet->image_size;
  } else {
    read_vision(config, tensors, source);
  }
  const std::string words = "text_model.embeddings.token_embedding.weight";
  config.vocab_size = size(words, 2, 0);
  config.text = tower_of(tensors, source, "text_model", size(words, 2, 1));
  config.max_position_embeddings = size("text_model.embeddings.position_embedding.weight", 2, 0);
  config.projection_dim = size("text_projection.weight", 2, 0);
  config.eos_token_id = 2;
  config.validate();
  return config;
}

void check_clip_size(const ClipConfig& config, const NamedTensors& tensors, const std::string& source) {
  constexpr double kAlwaysAllowed = 1 << 22, kTimes = 4;
  const auto blocks = [](const ClipTower& tower) {
    const auto width = static_cast<double>(tower.hidden_size), inner = static_cast<double>(tower.intermediate_size);
    return static_cast<double>(tower.num_hidden_layers) * width * (4 * width + 2 * inner);
  };
  const auto vision = static_cast<double>(config.vision.hidden_size),
             text_width = static_cast<double>(config.text.hidden_size);
  const auto side = static_cast<double>(config.table_side()), patch = static_cast<double>(config.patch_size);
  const double of_pictures = config.resnet ? parameters_of(*config.resnet)
                                           : blocks(config.vision) + vision * (side * side + 3 * patch * patch);
  const double needed = of_pictures + blocks(config.text) +
                        text_width * static_cast<double>(config.vocab_size + config.max_position_embeddings) +
                        static_cast<double>(config.projection_dim) * (vision + text_width);
  double held = 0;
  for (const auto& item : tensors) held += static_cast<double>(item.second.numel());
  check(needed <= kAlwaysAllowed + kTimes * held, source, ": the configuration describes a model of about ", needed,
        " parameters, the weights are ", held, " numbers; they do not belong together");
}

}  // namespace tessera

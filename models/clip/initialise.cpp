#include "models/clip/initialise.h"

#include <cmath>

#include "nn/init.h"

namespace tessera {
namespace {

double root_of(double inverse) { return 1 / std::sqrt(inverse); }

// The layers of torch's nn.Linear, biases too, and its attention's fused projection, whose bias begins as zeros.
void as_torch(Variable& parameter, const std::string& name, uint64_t seed, int64_t inputs, double width) {
  if (name.ends_with("qkv.weight"))
    init_uniform_(parameter, name, seed, std::sqrt(1.5 / width));
  else if (!name.ends_with("qkv.bias") && !name.ends_with("out_proj.bias"))
    init_uniform_(parameter, name, seed, root_of(static_cast<double>(inputs)));
}

}  // namespace

void initialise(Clip& model, ClipInit init, uint64_t seed) {
  const ClipConfig& config = model.config;
  const auto image_width = static_cast<double>(config.vision.hidden_size),
             text_width = static_cast<double>(config.text.hidden_size),
             text_layers = static_cast<double>(config.text.num_hidden_layers);
  const bool fan_in = init == ClipInit::fan_in;
  model.visit("", [&](const std::string& name, Variable& parameter) {
    const bool matrix = parameter.shape().dim() >= 2;
    if (name == "logit_scale" || name.starts_with("visual.") || name.find("norm") != std::string::npos ||
        name.find("layrnorm") != std::string::npos)
      return;
    if (name == "visual_projection.weight" || name.ends_with("class_embedding") ||
        name == "vision_model.embeddings.position_embedding.weight")
      return init_normal_(parameter, name, seed, root_of(image_width));
    if (name.ends_with("token_embedding.weight")) return init_normal_(parameter, name, seed, 0.02);
    if (name.ends_with("position_embedding.weight")) return init_normal_(parameter, name, seed, 0.01);
    if (name == "text_projection.weight") return init_normal_(parameter, name, seed, root_of(text_width));
    if (fan_in) {
      if (matrix) init_fan_in_(parameter, name, seed);
      return;
    }
    if (name.starts_with("vision_model.")) {
      const auto inputs = name.find("mlp.fc2") != std::string::npos ? config.vision.intermediate_size
                          : matrix                                  ? parameter.shape().numel() / parameter.size(0)
                                                                    : config.vision.hidden_size;
      return as_torch(parameter, name, seed, inputs, image_width);
    }
    if (!matrix) return;
    if (name.ends_with("qkv.weight"))
      init_normal_(parameter, name, seed, root_of(text_width));
    else if (name.ends_with("mlp.fc1.weight"))
      init_normal_(parameter, name, seed, root_of(2 * text_width));
    else
      init_normal_(parameter, name, seed, root_of(2 * text_layers * text_width));
  });
}

}  // namespace tessera

// vse_resnet_basic, vse_resnet_bottleneck: torchvision's ResNet of convolutions, batch norms and pools, with running
// statistics and in training: what each stage gives, the loss, every gradient, the running statistics afterwards.
#include <map>

#include "io/safetensors.h"
#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

// Layers are made from the weights of their names when the pass first reaches them.
class GoldenResNet {
 public:
  GoldenResNet(const SafeTensors& weights, const nlohmann::json& config, DType dtype, bool training)
      : weights_(weights), config_(config), dtype_(dtype), training_(training) {}

  // Compares what the stages give, and returns the logits.
  Variable operator()(const Variable& pixels, const SafeTensors& expected, Comparison& comparison) {
    const std::string pass = training_ ? "train." : "eval.";
    const auto seen = [&](const std::string& name, const Variable& x) {
      comparison.compare(pass + name, x.value(), expected.at(pass + name));
      return x;
    };
    Variable x = seen("stem", relu(norm("bn1", conv("conv1", pixels, 2))));
    x = seen("maxpool", max_pool2d(x, {.kernel = 3, .stride = 2, .padding = 1}));
    const std::vector<int> blocks = config_.at("layers");
    for (size_t stage = 1; stage <= blocks.size(); ++stage) {
      for (int b = 0; b < blocks[stage - 1]; ++b)
        x = block(text("layer", stage, ".", b), x, stage > 1 && b == 0 ? 2 : 1);
      seen(text("layer", stage), x);
    }
    const Variable pooled = adaptive_avg_pool2d(x, 1);
    const Variable flat = seen("pooled", reshape(pooled, {x.size(0), x.size(1)}));
    return seen("logits", linear(flat, parameter("fc.weight"), parameter("fc.bias")));
  }

  const std::map<std::string, Variable>& parameters() const { return parameters_; }
  const std::map<std::string, BatchNorm2d>& norms() const { return norms_; }

 private:
  Tensor weight(const std::string& name) const { return weights_.at(name).to(dtype_).to(computed_on).clone(); }
  Variable parameter(const std::string& name) {
    return parameters_.emplace(name, Variable(weight(name), true)).first->second;
  }

  Variable conv(const std::string& name, const Variable& x, int64_t stride) {
    Conv2d layer;
    layer.weight = parameter(name + ".weight");
    layer.settings = {.stride = stride, .padding = layer.weight.size(2) / 2};
    return layer(x);
  }
  Variable norm(const std::string& name, const Variable& x) {
    BatchNorm2d layer;
    layer.weight = parameter(name + ".weight");
    layer.bias = parameter(name + ".bias");
    layer.running_mean = Variable(weight(name + ".running_mean"));
    layer.running_var = Variable(weight(name + ".running_var"));
    return norms_.emplace(name, layer).first->second(x, training_);
  }
  Variable block(const std::string& name, const Variable& x, int64_t stride) {
    const bool bottleneck = config_.at("block") == "bottleneck";
    const auto part = [&](int number, const Variable& in, int64_t by) {
      return norm(text(name, ".bn", number), conv(text(name, ".conv", number), in, by));
    };
    Variable y = relu(part(1, x, bottleneck ? 1 : stride));
    y = part(2, y, bottleneck ? stride : 1);
    if (bottleneck) y = part(3, relu(y), 1);
    const std::string shortcut = name + ".downsample.";
    if (!weights_.contains(shortcut + "0.weight")) return relu(y + x);
    return relu(y + norm(shortcut + "1", conv(shortcut + "0", x, stride)));
  }

  const SafeTensors& weights_;
  const nlohmann::json& config_;
  DType dtype_;
  bool training_;
  std::map<std::string, Variable> parameters_;
  std::map<std::string, BatchNorm2d> norms_;
};

void compare_pass(const SafeTensors& weights, const SafeTensors& expected, const nlohmann::json& config, DType dtype,
                  bool training, Comparison& comparison) {
  const std::string pass = training ? "train." : "eval.";
  GoldenResNet net(weights, config, dtype, training);
  const Variable pixels(expected.at("pixel_values").to(dtype).to(computed_on), true);
  const Variable loss = cross_entropy(net(pixels, expected, comparison), expected.at("labels"));
  comparison.compare(pass + "loss", loss.value(), expected.at(pass + "loss"));
  loss.backward();
  for (const auto& [name, parameter] : net.parameters())
    comparison.compare(pass + "grad." + name, parameter.grad(), expected.at(pass + "grad." + name));
  if (const std::string name = pass + "dpixel_values"; expected.contains(name))
    comparison.compare(name, pixels.grad(), expected.at(name));
  if (!training) return;
  for (const auto& [name, layer] : net.norms()) {
    const std::string buffer = pass + "buffer." + name;
    comparison.compare(buffer + ".running_mean", layer.running_mean.value(), expected.at(buffer + ".running_mean"));
    comparison.compare(buffer + ".running_var", layer.running_var.value(), expected.at(buffer + ".running_var"));
  }
}

}  // namespace

Outcome run_resnet(const std::filesystem::path& directory) {
  const SafeTensors weights = load_safetensors((directory / "model.safetensors").string());
  const SafeTensors expected = load_safetensors((directory / "case.safetensors").string());
  const nlohmann::json config = read_json(directory / "config.json");
  Comparison comparison(directory);
  for (const DType dtype : computed_dtypes())
    for (const bool training : {false, true}) compare_pass(weights, expected, config, dtype, training, comparison);
  return comparison.outcome();
}

}  // namespace tessera::golden

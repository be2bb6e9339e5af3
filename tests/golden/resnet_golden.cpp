// vse_resnet_basic, vse_resnet_bottleneck: torchvision's ResNet of convolutions, batch norms and pools, with running
// statistics and in training: what each stage gives, the loss, every gradient, the running statistics afterwards.
#include "io/safetensors.h"
#include "models/parts/resnet.h"
#include "nn/linear.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

struct Classifier {
  ResNet network;
  Linear fc;

  explicit Classifier(const nlohmann::json& config)
      : network({.bottleneck = config.at("block") == "bottleneck",
                 .layers = config.at("layers").get<std::vector<int64_t>>(),
                 .widths = config.at("widths").get<std::vector<int64_t>>()}),
        fc(network.options.features(), config.at("classes")) {}
  void visit(const std::string& prefix, const ParameterVisitor& visitor) {
    network.visit(prefix, visitor);
    fc.visit(join_name(prefix, "fc"), visitor);
  }
};

void compare_pass(NamedTensors weights, const SafeTensors& expected, const nlohmann::json& config, DType dtype,
                  bool training, Comparison& comparison) {
  const std::string pass = training ? "train." : "eval.";
  Classifier model(config);
  ParameterSet parameters(model, dtype, "", computed_on);
  std::erase_if(weights, [](const auto& entry) { return entry.first.ends_with("num_batches_tracked"); });
  parameters.load_state(weights, "golden");
  const auto seen = [&](const std::string& name, const Variable& x) {
    comparison.compare(pass + name, x.value(), expected.at(pass + name));
  };
  const Variable pixels(expected.at("pixel_values").to(dtype).to(computed_on), true);
  const ResNet::Output out = model.network(pixels, training);
  seen("stem", out.stem);
  seen("maxpool", out.pool);
  for (size_t stage = 0; stage < out.stages.size(); ++stage) seen(text("layer", stage + 1), out.stages[stage]);
  seen("pooled", out.features());
  const Variable logits = model.fc(out.features());
  seen("logits", logits);
  const Variable loss = cross_entropy(logits, expected.at("labels"));
  seen("loss", loss);
  loss.backward();
  for (const ParameterSet::Slot& slot : parameters.slots())
    comparison.compare(pass + "grad." + slot.name, slot.parameter.grad(), expected.at(pass + "grad." + slot.name));
  if (const std::string name = pass + "dpixel_values"; expected.contains(name))
    comparison.compare(name, pixels.grad(), expected.at(name));
  if (!training) return;
  for (const auto& [name, tensor] : parameters.state())
    if (name.find("running_") != std::string::npos)
      comparison.compare(pass + "buffer." + name, tensor, expected.at(pass + "buffer." + name));
}

}  // namespace

Outcome run_resnet(const std::filesystem::path& directory) {
  const NamedTensors weights = load_safetensors((directory / "model.safetensors").string()).tensors;
  const SafeTensors expected = load_safetensors((directory / "case.safetensors").string());
  const nlohmann::json config = read_json(directory / "config.json");
  Comparison comparison(directory);
  for (const DType dtype : computed_dtypes())
    for (const bool training : {false, true}) compare_pass(weights, expected, config, dtype, training, comparison);
  return comparison.outcome();
}

}  // namespace tessera::golden

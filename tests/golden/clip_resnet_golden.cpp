// clip_resnet: CLIP's own residual network, by running statistics and in training: every stage, the features, all
// gradients, the running statistics afterwards.
#include "autograd/functions.h"
#include "io/safetensors.h"
#include "models/clip/modified_resnet.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

void run_clip_resnet_pass(const NamedTensors& weights, const SafeTensors& file, const ModifiedResNetOptions& options,
                          DType dtype, bool training, Comparison& comparison) {
  const std::string pass = training ? "train." : "eval.";
  ModifiedResNet model(options);
  ParameterSet parameters(model, dtype, "visual", computed_on);
  parameters.load_state(weights, "golden");
  const auto compare = [&](const std::string& name, const Tensor& value) {
    comparison.compare(pass + name, value, file.at(pass + name));
  };
  const Variable pixels(file.at("pixel_values").to(dtype).to(computed_on), true);
  const ModifiedResNet::Output out = model(pixels, training);
  compare("stem", out.stem.value());
  for (size_t stage = 0; stage < out.stages.size(); ++stage)
    compare(text("layer", stage + 1), out.stages[stage].value());
  compare("image_features", out.features.value());
  const Variable loss = sum(out.features * Variable(file.at("cotangent").to(dtype).to(computed_on)));
  compare("loss", loss.value());
  loss.backward();
  for (const ParameterSet::Slot& slot : parameters.slots()) compare("grad." + slot.name, slot.parameter.grad());
  if (!training) return compare("dpixel_values", pixels.grad());
  for (const auto& [name, tensor] : parameters.state())
    if (name.find("running_") != std::string::npos) compare("buffer." + name, tensor);
}

}  // namespace

Outcome run_clip_resnet(const std::filesystem::path& directory) {
  NamedTensors weights = load_safetensors((directory / "model.safetensors").string()).tensors;
  std::erase_if(weights, [](const auto& entry) { return entry.first.ends_with("num_batches_tracked"); });
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  const nlohmann::json config = read_json(directory / "config.json");
  const ModifiedResNetOptions options{.layers = config.at("layers").get<std::vector<int64_t>>(),
                                      .width = config.at("width"),
                                      .output_dim = config.at("output_dim"),
                                      .heads = config.at("heads"),
                                      .image_size = config.at("image_size")};
  Comparison comparison(directory);
  for (const DType dtype : computed_dtypes())
    for (const bool training : {false, true}) run_clip_resnet_pass(weights, file, options, dtype, training, comparison);
  return comparison.outcome();
}

}  // namespace tessera::golden

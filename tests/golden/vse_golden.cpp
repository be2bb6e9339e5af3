// vse_plus_plus: VSE++ on given features by its losses and measures; vse_full: with its residual network, by running
// statistics and in training. Embeddings, similarities, losses, all gradients, the running statistics afterwards.
#include "io/safetensors.h"
#include "io/weights/prefixes.h"
#include "models/vse/model.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"
#include "tests/golden/json.h"
#include "tests/golden/padded_case.h"

namespace tessera::golden {
namespace {

struct VseCase {
  std::filesystem::path directory;
  SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  Comparison comparison{directory};

  // Without what torch's DataParallel writes into names, and the counts that only other momenta need.
  NamedTensors weights() const {
    NamedTensors out;
    const NamedTensors all = load_safetensors((directory / "model.safetensors").string()).tensors;
    for (const auto& [name, plain] : plain_names(all, "golden", [](std::string_view) { return true; }))
      if (!name.ends_with("num_batches_tracked")) out.emplace(plain, all.at(name));
    return out;
  }
  std::string published(const std::string& name) const {
    const std::string cnn = "img_enc.cnn.";
    return name.starts_with(cnn) ? cnn + "module." + name.substr(cnn.size()) : name;
  }
  Tensor input(const std::string& name, DType dtype) const { return file.at(name).to(dtype).to(computed_on); }
  std::vector<std::vector<int64_t>> texts() const {
    std::vector<std::vector<int64_t>> out;
    const Tensor &ids = file.at("ids"), &lengths = file.at("lengths");
    for (int64_t i = 0; i < ids.size(0); ++i) out.push_back(row_values(ids, i, lengths.select(0, i).item<int64_t>()));
    return out;
  }
};

VseConfig config_of(const VseCase& golden) {
  std::ifstream in = open_file(golden.directory / "config.json");
  return VseConfig::from_json({std::istreambuf_iterator<char>(in), {}}, "config.json");
}

void compare_gradients(VseCase& golden, const ParameterSet& parameters, const std::string& pass) {
  for (const ParameterSet::Slot& slot : parameters.slots()) {
    const std::string name = pass + "grad." + golden.published(slot.name);
    golden.comparison.compare(name, slot.parameter.grad(), golden.file.at(name));
  }
}

void run_measure(VseCase& golden, const std::string& pass, DType dtype) {
  VseConfig config = config_of(golden);
  const bool order = pass.starts_with("order");
  config.measure = order ? VseMeasure::order : VseMeasure::cosine;
  config.absolute = order;
  config.normalise_images = pass != "sum_noimgnorm";
  Vse model(config);
  ParameterSet parameters(model, dtype, "", computed_on);
  parameters.load_state(golden.weights(), "golden");
  const Variable features(golden.input("features", dtype), true);
  const auto compare = [&](const std::string& name, const Variable& value) {
    const std::string full = pass + "." + name;
    if (golden.file.contains(full)) golden.comparison.compare(full, value.value(), golden.file.at(full));
  };
  const Variable images = model.image_embeddings(features);
  const Vse::TextOutput texts = model.text_embeddings(VseTexts::of(golden.texts()));
  compare("image_embeds", images);
  compare("last", texts.last);
  compare("text_embeds", texts.embeddings);
  const Variable similarity = model.similarity(images, texts.embeddings);
  compare("similarity", similarity);
  const Variable loss = ranking_hinge_loss(similarity, order ? 0.05 : 0.2,
                                           pass.ends_with("max") ? ops::Negatives::hardest : ops::Negatives::all);
  compare("loss", loss);
  loss.backward();
  compare_gradients(golden, parameters, pass + ".");
  golden.comparison.compare(pass + ".grad.features", features.grad(), golden.file.at(pass + ".grad.features"));
}

void run_pass(VseCase& golden, bool training, DType dtype) {
  const std::string pass = training ? "train." : "eval.";
  Vse model(config_of(golden));
  ParameterSet parameters(model, dtype, "", computed_on);
  parameters.load_state(golden.weights(), "golden");
  const auto compare = [&](const std::string& name, const Variable& value) {
    golden.comparison.compare(pass + name, value.value(), golden.file.at(pass + name));
  };
  const Variable features = model.cnn_features(Variable(golden.input("pixel_values", dtype)), training);
  compare("cnn_features", features);
  const Variable images = model.image_embeddings(l2_normalise(features, 0));
  const Variable texts = model.text_embeddings(VseTexts::of(golden.texts())).embeddings;
  compare("image_embeds", images);
  compare("text_embeds", texts);
  const Variable similarity = model.similarity(images, texts);
  compare("similarity", similarity);
  const Variable loss = ranking_hinge_loss(similarity, 0.2, ops::Negatives::hardest);
  compare("loss", loss);
  loss.backward();
  compare_gradients(golden, parameters, pass);
  if (!training) return;
  for (const auto& [name, tensor] : parameters.state())
    if (name.find(".running_") != std::string::npos) {
      const std::string full = "train.buffer." + golden.published(name);
      golden.comparison.compare(full, tensor, golden.file.at(full));
    }
}

}  // namespace

Outcome run_vse_plus_plus(const std::filesystem::path& directory) {
  VseCase golden{directory};
  for (const DType dtype : computed_dtypes())
    for (const char* pass : {"max", "sum", "sum_noimgnorm", "order_max", "order_sum"}) run_measure(golden, pass, dtype);
  return golden.comparison.outcome();
}

Outcome run_vse_full(const std::filesystem::path& directory) {
  VseCase golden{directory};
  for (const DType dtype : computed_dtypes())
    for (const bool training : {false, true}) run_pass(golden, training, dtype);
  return golden.comparison.outcome();
}

}  // namespace tessera::golden

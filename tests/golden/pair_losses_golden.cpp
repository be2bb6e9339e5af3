// clip_loss, vse_loss: losses of pairs and their gradients, for every case that the names in case.safetensors give.
#include <string>
#include <vector>

#include "autograd/functions.h"
#include "io/safetensors.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"

namespace tessera::golden {
namespace {

// What stands before `ending` in the names of the tensors that end so.
std::vector<std::string> cases_with(const SafeTensors& file, const std::string& ending) {
  std::vector<std::string> found;
  for (const auto& item : file.tensors)
    if (item.first.ends_with(ending)) found.push_back(item.first.substr(0, item.first.size() - ending.size()));
  return found;
}

Variable leaf(const SafeTensors& file, const std::string& name, DType dtype) {
  return Variable(file.at(name).to(dtype).to(computed_on), true);
}

void run_contrastive_case(const SafeTensors& file, const std::string& name, DType dtype, Comparison& comparison) {
  const auto input = [&](const char* what) { return leaf(file, name + "." + what, dtype); };
  const Variable images = input("image_features"), texts = input("text_features"), log_scale = input("logit_scale");
  const Variable x = l2_normalise(images), y = l2_normalise(texts);
  const Variable loss = contrastive_loss(x, y, log_scale);
  loss.backward();
  const auto compare = [&](const char* what, const Tensor& got) {
    comparison.compare(name + "." + what, got, file.at(name + "." + what));
  };
  compare("logits_per_image", contrastive_logits(x, y, log_scale).value());
  compare("loss", loss.value());
  compare("dimage_features", images.grad());
  compare("dtext_features", texts.grad());
  compare("dlogit_scale", log_scale.grad());
}

void run_hinge_case(const SafeTensors& file, const std::string& name, DType dtype, Comparison& comparison) {
  const double margin = file.at(name + ".margin").item();
  for (const auto& [negatives, how] :
       {std::pair{ops::Negatives::all, ".sum."}, std::pair{ops::Negatives::hardest, ".max."}}) {
    const Variable similarity = leaf(file, name + ".similarity", dtype);
    const Variable loss = ranking_hinge_loss(similarity, margin, negatives);
    loss.backward();
    comparison.compare(name + how + "loss", loss.value(), file.at(name + how + "loss"));
    comparison.compare(name + how + "dsimilarity", similarity.grad(), file.at(name + how + "dsimilarity"));
  }
}

}  // namespace

Outcome run_clip_loss(const std::filesystem::path& directory) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  Comparison comparison(directory);
  for (const std::string& name : cases_with(file, ".image_features"))
    for (const DType dtype : computed_dtypes()) run_contrastive_case(file, name, dtype, comparison);
  return comparison.outcome();
}

Outcome run_vse_loss(const std::filesystem::path& directory) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  Comparison comparison(directory);
  for (const std::string& name : cases_with(file, ".similarity"))
    for (const DType dtype : computed_dtypes()) run_hinge_case(file, name, dtype, comparison);
  return comparison.outcome();
}

}  // namespace tessera::golden

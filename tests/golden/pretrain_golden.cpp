// vilt_pretrain: hidden states, logits, plans, the three losses and all gradients of a pre-training step.
#include <algorithm>
#include <cmath>

#include "autograd/functions.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"
#include "tests/golden/json.h"
#include "tests/golden/pretrain_case.h"
#include "vilt/objectives.h"

namespace tessera::golden {
namespace {

ObjectiveOptions objective_settings(const std::filesystem::path& directory) {
  const nlohmann::json config = read_json(directory / "config.json");
  ObjectiveOptions options;
  options.wpa_weight = config.at("wpa_weight").get<double>();
  options.ipot_beta = config.at("ipot_beta").get<double>();
  options.ipot_iterations = config.at("ipot_iterations").get<int64_t>();
  return options;
}

std::vector<int64_t> divisors_of(const PretrainBatch& batch) { return count_divisors({&batch, 1}); }

// Costs and plans of sample i: ours lie flat as [words, patches], the file's plans are [patches, words].
void compare_transport(Comparison& comparison, const SafeTensors& file, const std::string& prefix,
                       const PretrainBatch& batch, const Objectives& out) {
  const auto words = batch.objectives.cu_words.to_vector<int64_t>(),
             patches = batch.objectives.cu_patches.to_vector<int64_t>();
  int64_t begin = 0;
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    const int64_t m = words[i + 1] - words[i], n = patches[i + 1] - patches[i];
    const auto matrix = [&](const Tensor& flat) { return flat.narrow(0, begin, m * n).view({m, n}); };
    const std::string number = std::to_string(i);
    comparison.compare(prefix + "cost." + number, matrix(out.cost), file.at(prefix + "cost." + number));
    comparison.compare(prefix + "plan." + number, matrix(out.plan).transpose(0, 1), file.at(prefix + "plan." + number));
    begin += m * n;
  }
}

void compare_outputs(Comparison& comparison, const SafeTensors& file, const std::string& prefix,
                     const GoldenModel& golden, const PretrainBatch& batch, const Objectives& out,
                     const ObjectiveOptions& options) {
  const auto pairs = static_cast<int>(batch.pairs());
  const auto compare = [&](const std::string& name, const Tensor& actual) {
    comparison.compare(prefix + name, actual, file.at(prefix + name));
  };
  compare("mlm_loss", out["mlm"].loss.value());
  compare("itm_loss", out["itm"].loss.value());
  compare("wpa_loss", mul(out["wpa"].loss, options.wpa_weight).value());
  compare("total_loss", out.total.value());
  compare("itm_logits", out["itm"].logits.value());
  compare("distance", out.distance.value().to(out.hidden.dtype()));
  compare("pooled_itm", golden.model.vilt.pooled(out.hidden, batch.objectives.pair_rows).value());
  const Tensor text = sequence_rows(batch.packed, every(0, pairs), true);
  compare("mlm_logits", golden.model.masked_word_logits(out.hidden, text).value());
  compare_transport(comparison, file, prefix, batch, out);
  if (!prefix.empty()) return;  // the rest is stored for the whole images only
  compare("hidden_mlm", gather_rows({out.hidden}, sequence_rows(batch.packed, every(0, pairs), false)).value());
  compare("hidden_itm", gather_rows({out.hidden}, sequence_rows(batch.packed, every(pairs, pairs), false)).value());
}

// Gradients of the file that begin with `prefix`; a parameter that it leaves out has a gradient of exactly zero.
void compare_gradients(Comparison& comparison, const SafeTensors& file, const std::string& prefix, GoldenModel& golden,
                       bool all) {
  int compared = 0;
  for (const auto& [name, gradient] : golden.gradients()) {
    if (file.contains(prefix + name)) {
      comparison.compare(prefix + name, gradient, file.at(prefix + name));
      ++compared;
    } else if (all) {
      comparison.compare_within(prefix + name, gradient, Tensor::zeros(gradient.shape(), gradient.dtype()), 0);
    }
  }
  check(compared > 0, "golden: no gradients begin with ", prefix);
}

// What a step computes, in double or single precision.
void run_step(Comparison& comparison, const SafeTensors& file, const std::filesystem::path& directory, DType dtype,
              bool sampled) {
  GoldenModel golden(directory, dtype);
  const ObjectiveOptions options = objective_settings(directory);
  const PretrainBatch batch = read_pretrain_batch(file, "", golden.config, sampled);
  const std::string prefix = sampled ? "sampled." : "";
  const auto gradients_of = [&](const Variable& loss, const std::string& name, bool all) {
    golden.parameters.clear_gradients();
    loss.backward();
    compare_gradients(comparison, file, prefix + name, golden, all);
  };
  const auto forward = [&] { return pretrain_objectives(golden.model, batch, options, divisors_of(batch), {}); };
  const Objectives out = forward();
  compare_outputs(comparison, file, prefix, golden, batch, out, options);
  gradients_of(out.total, "grad_total.", !sampled);
  if (sampled) return;
  gradients_of(forward()["mlm"].loss, "grad_mlm.", true);
  gradients_of(forward()["itm"].loss, "grad_itm.", true);
  gradients_of(mul(forward()["wpa"].loss, options.wpa_weight), "grad_wpa.", true);
}

}  // namespace

Outcome run_vilt_pretrain(const std::filesystem::path& directory) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  Comparison comparison(directory);
  for (const DType dtype : computed_dtypes())
    for (const bool sampled : {false, true}) run_step(comparison, file, directory, dtype, sampled);
  return comparison.outcome();
}

}  // namespace tessera::golden

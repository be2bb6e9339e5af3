// training_trajectory: optimiser steps of the pre-training model, losses and gradient norms on the way, parameters at
// the end.

#include "nn/adamw.h"
#include "nn/schedule.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"
#include "tests/golden/json.h"
#include "tests/golden/pretrain_case.h"
#include "vilt/files/state_dict.h"
#include "vilt/objectives.h"

namespace tessera::golden {
namespace {

using nlohmann::json;

void append_losses(std::vector<double>& out, const Objectives& o, double wpa_weight) {
  for (const Variable& value : {o.total, o["mlm"].loss, o["itm"].loss}) out.push_back(value.value().item<double>());
  out.push_back(wpa_weight * o["wpa"].loss.value().item<double>());
}

AdamW make_optimizer(ParameterSet& parameters, const json& groups) {
  std::set<std::string> kept;
  for (const json& name : groups.at("no_decay")) kept.insert(name.get<std::string>());
  AdamWOptions options;
  options.beta1 = groups.at("betas")[0];
  options.beta2 = groups.at("betas")[1];
  options.eps = groups.at("eps");
  options.weight_decay = groups.at("weight_decay");
  options.variant = AdamWVariant::transformers;
  return AdamW(parameters, options, [kept](const std::string& name, const Variable&) {
    // The file's names of the fused projection's three parts decay alike.
    const size_t fused = name.find("attention.qkv.");
    const std::string in_file = fused == std::string::npos
                                    ? name
                                    : name.substr(0, fused) + "attention.attention.query." + name.substr(fused + 14);
    return ParameterGroup{!kept.contains(in_file), 1};
  });
}

void run(Comparison& comparison, const SafeTensors& file, const std::filesystem::path& directory, DType dtype) {
  const json groups = read_json(directory / "groups.json");
  const std::filesystem::path start = directory / ".." / "vilt_pretrain";
  GoldenModel golden(start, dtype);
  const json config = read_json(start / "config.json");
  ObjectiveOptions options;
  options.wpa_weight = config.at("wpa_weight").get<double>();
  options.ipot_beta = config.at("ipot_beta").get<double>();
  options.ipot_iterations = config.at("ipot_iterations").get<int64_t>();
  std::vector<PretrainBatch> batches;
  while (file.contains("batch" + std::to_string(batches.size()) + ".input_ids"))
    batches.push_back(read_pretrain_batch(file, "batch" + std::to_string(batches.size()) + ".", golden.config, false));
  check(!batches.empty(), "golden: no batch0.input_ids in ", directory.string());
  AdamW optimizer = make_optimizer(golden.parameters, groups);
  const int64_t steps = groups.at("steps");
  const PolynomialSchedule schedule{groups.at("lr"), groups.at("warmup"), steps, groups.at("power"),
                                    groups.at("end_lr")};
  std::vector<double> rates, losses, norms, end_losses;
  const auto objectives = [&](const PretrainBatch& batch) {
    return pretrain_objectives(golden.model, batch, options, count_divisors({&batch, 1}), {});
  };
  for (int64_t step = 0; step < steps; ++step) {
    const Objectives out = objectives(batches[static_cast<size_t>(step) % batches.size()]);
    append_losses(losses, out, options.wpa_weight);
    golden.parameters.clear_gradients();
    out.total.backward();
    norms.push_back(golden.parameters.global_norm());
    rates.push_back(schedule.rate(step));
    optimizer.step(rates.back());
  }
  for (const PretrainBatch& batch : batches) append_losses(end_losses, objectives(batch), options.wpa_weight);
  const auto compare = [&](const std::string& name, const std::vector<double>& values) {
    comparison.compare(name, Tensor::from(values, file.at(name).shape()).to(dtype), file.at(name));
  };
  comparison.compare("lr", Tensor::from(rates), file.at("lr"));
  compare("losses", losses);
  compare("grad_norm", norms);
  compare("end_losses", end_losses);
  for (const auto& [name, value] : file_views(golden.parameters.state(), golden.config)) {
    const std::string final_name = "final." + name;
    // Their gradient is zero in exact arithmetic, so that Adam turns rounding noise into steps (README of the files).
    if (!name.ends_with("attention.key.bias"))
      comparison.compare(final_name, value, file.at(final_name));
    else if (dtype == DType::f64)
      comparison.compare_within(final_name, value, file.at(final_name), 1e-9);
  }
}

}  // namespace

Outcome run_training_trajectory(const std::filesystem::path& directory) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  Comparison comparison(directory);
  for (const DType dtype : computed_dtypes()) run(comparison, file, directory, dtype);
  return comparison.outcome();
}

}  // namespace tessera::golden

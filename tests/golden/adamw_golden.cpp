// adamw: schedule and both variants of the optimiser, with given gradients.
#include <algorithm>
#include <vector>

#include "autograd/tape.h"
#include "io/safetensors.h"
#include "nn/adamw.h"
#include "nn/schedule.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

using nlohmann::json;

// A model of loose parameters, with the values of row 0 of param.NAME.
struct LooseParameters {
  std::vector<std::pair<std::string, Variable>> parameters;

  LooseParameters(const SafeTensors& file, const json& settings) {
    for (const auto& item : settings.at("params").items())
      parameters.emplace_back(item.key(), Variable(file.at("param." + item.key()).select(0, 0), true));
  }
  void visit(const std::string&, const ParameterVisitor& visitor) {
    for (auto& [name, parameter] : parameters) visitor(name, parameter);
  }
};

// The optimiser knows one weight decay, which a parameter has or has not.
double weight_decay_of(const json& settings) {
  double decay = 0;
  for (const json& group : settings.at("params")) {
    const double own = group.at("weight_decay");
    check(own == 0 || decay == 0 || own == decay, "groups.json: weight decays ", decay, " and ", own,
          "; expected one value beside 0");
    decay = std::max(decay, own);
  }
  return decay;
}

PolynomialSchedule schedule_of(const json& settings) {
  return {settings.at("lr"), settings.at("warmup"), settings.at("steps"), settings.at("power"), settings.at("end_lr")};
}

void set_gradient(const Variable& parameter, const Tensor& gradient) {
  record("given", Tensor::scalar(0, parameter.dtype()).to(computed_on), {parameter},
         [gradient](const Tensor&, GradSlots) -> Grads { return {gradient}; })
      .backward();
}

// Follows the trajectory PREFIX.NAME of every parameter; the moments where the file has them.
void follow(const SafeTensors& file, const json& settings, AdamWVariant variant, const std::string& prefix, DType dtype,
            Comparison& comparison) {
  LooseParameters model(file, settings);
  ParameterSet set(model, dtype, "", computed_on);
  const AdamWOptions options{.beta1 = settings.at("betas").at(0),
                             .beta2 = settings.at("betas").at(1),
                             .eps = settings.at("eps"),
                             .weight_decay = weight_decay_of(settings),
                             .variant = variant};
  AdamW optimiser(set, options, [&](const std::string& name, const Variable&) -> ParameterGroup {
    const json& group = settings.at("params").at(name);
    return {group.at("weight_decay").get<double>() > 0, group.at("lr_mult")};
  });
  const PolynomialSchedule schedule = schedule_of(settings);
  const int64_t steps = settings.at("steps");
  std::map<std::string, Tensor> track;
  for (const auto& [name, start] : set.state()) {
    track.emplace(name, Tensor::zeros(file.at(prefix + "." + name).shape(), dtype));
    track.at(name).select(0, 0).copy_(start);
  }
  for (int64_t t = 0; t < steps; ++t) {
    set.clear_gradients();
    for (const auto& slot : set.slots())
      set_gradient(slot.parameter, file.at("grad." + slot.name).select(0, t).to(dtype).contiguous().to(computed_on));
    optimiser.step(schedule.rate(t));
    for (const auto& [name, value] : set.state()) track.at(name).select(0, t + 1).copy_(value);
  }
  for (const auto& [name, values] : track)
    comparison.compare(prefix + "." + name, values, file.at(prefix + "." + name));
  if (variant != AdamWVariant::transformers) return;
  for (const auto& [name, moment] : optimiser.state())
    if (file.contains(name)) comparison.compare(name, moment, file.at(name));
}

}  // namespace

Outcome run_adamw(const std::filesystem::path& directory) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  const json settings = read_json(directory / "groups.json");
  Comparison comparison(directory);
  const PolynomialSchedule schedule = schedule_of(settings);
  std::vector<double> rates;
  for (int64_t t = 0; t < file.at("lr").numel(); ++t) rates.push_back(schedule.rate(t));
  comparison.compare("lr", Tensor::from(rates), file.at("lr"));
  for (const DType dtype : computed_dtypes()) {
    follow(file, settings, AdamWVariant::transformers, "param", dtype, comparison);
    follow(file, settings, AdamWVariant::torch, "torch_adamw", dtype, comparison);
  }
  return comparison.outcome();
}

}  // namespace tessera::golden

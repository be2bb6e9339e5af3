#include "nn/adamw.h"

#include <cmath>

namespace tessera {
namespace {

void validate(const AdamWOptions& options) {
  check(options.beta1 >= 0 && options.beta1 < 1, "adamw: beta1 is ", options.beta1, ", expected 0 <= beta1 < 1");
  check(options.beta2 >= 0 && options.beta2 < 1, "adamw: beta2 is ", options.beta2, ", expected 0 <= beta2 < 1");
  // With eps 0 a parameter that has had no gradient would become 0/0.
  check(std::isfinite(options.eps) && options.eps > 0, "adamw: eps is ", options.eps, ", expected a number > 0");
  check(std::isfinite(options.weight_decay) && options.weight_decay >= 0, "adamw: weight decay is ",
        options.weight_decay, ", expected a number >= 0");
}

bool same(const ParameterGroup& a, const ParameterGroup& b) {
  return a.decay == b.decay && a.learning_rate_multiplier == b.learning_rate_multiplier;
}

int64_t step_of(const std::map<std::string, Tensor>& state, const std::string& source) {
  const auto step = state.find("step");
  check(step != state.end() && step->second.dtype() == DType::i64 && step->second.numel() == 1, source,
        ": 'step' is missing or not one i64");
  const auto updates = step->second.item<int64_t>();
  check(updates >= 0, source, ": step is ", updates, ", expected at least 0");
  return updates;
}

}  // namespace

ParameterGroup default_group(const std::string&, const Variable& parameter) {
  return {.decay = parameter.shape().dim() > 1, .learning_rate_multiplier = 1};
}

AdamW::AdamW(ParameterSet& parameters, const AdamWOptions& options, const GroupFunction& group,
             const std::optional<std::set<std::string>>& trained)
    : parameters_(parameters), options_(options) {
  validate(options);
  if (trained)
    for (const std::string& name : *trained)
      check(parameters.find(name) != nullptr, "adamw: there is no parameter '", name, "' to train");
  const auto& slots = parameters.slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    const auto& [name, parameter, offset] = slots[i];
    if (trained && !trained->count(name)) continue;
    const ParameterGroup own = group(name, parameter);
    check(std::isfinite(own.learning_rate_multiplier) && own.learning_rate_multiplier >= 0, "adamw: '", name,
          "': learning-rate multiplier is ", own.learning_rate_multiplier, ", expected a number >= 0");
    // Neighbours become one run; the zeros in the gap between them stay zeros.
    if (runs_.empty() || trained_slots_.back() + 1 != i || !same(runs_.back().group, own))
      runs_.push_back({offset, offset, own});
    runs_.back().end = offset + parameter.value().numel();
    trained_.push_back(name);
    trained_slots_.push_back(i);
  }
  exp_avg_ = Tensor::zeros_like(parameters.values());
  exp_avg_sq_ = Tensor::zeros_like(parameters.values());
}

void AdamW::step(double learning_rate, double gradient_scale) { update(learning_rate, gradient_scale, {}); }

void AdamW::step(double learning_rate, const Tensor& device_scale) { update(learning_rate, 1, device_scale); }

void AdamW::update(double learning_rate, double gradient_scale, const Tensor& device_scale) {
  parameters_.finish_gradients();
  std::vector<ops::AdamWSlice> slices;
  for (const Run& run : runs_)
    slices.push_back({run.begin, run.end, learning_rate * run.group.learning_rate_multiplier,
                      run.group.decay ? options_.weight_decay : 0});
  std::vector<Tensor> trained;
  for (const size_t slot : trained_slots_) trained.push_back(parameters_.slots()[slot].parameter.value());
  ops::adamw_(
      parameters_.values(), parameters_.gradients(), exp_avg_, exp_avg_sq_, slices,
      {options_.variant, options_.beta1, options_.beta2, options_.eps, ++updates_, gradient_scale, device_scale},
      trained);
}

Tensor AdamW::place_in(const Tensor& arena, size_t slot) const {
  const auto& [name, parameter, offset] = parameters_.slots()[slot];
  return arena.narrow(0, offset, parameter.value().numel()).view(parameter.shape());
}

std::map<std::string, Tensor> AdamW::state() const {
  std::map<std::string, Tensor> state;
  state.emplace("step", Tensor::from(std::vector<int64_t>{updates_}, {}));
  for (size_t i = 0; i < trained_.size(); ++i) {
    state.emplace("exp_avg." + trained_[i], place_in(exp_avg_, trained_slots_[i]));
    state.emplace("exp_avg_sq." + trained_[i], place_in(exp_avg_sq_, trained_slots_[i]));
  }
  return state;
}

void AdamW::load_state(const std::map<std::string, Tensor>& state, const std::string& source) {
  const int64_t updates = step_of(state, source);
  std::map<std::string, Tensor> expected = this->state(), moments = state;
  expected.erase("step");
  moments.erase("step");
  const std::string differences = compare_state(expected, moments);
  check(differences.empty(), source, ": does not fit the optimiser:", differences);
  for (const std::string& name : trained_)
    for (const double value : moments.at("exp_avg_sq." + name).to(DType::f64).to_vector<double>())
      check(value >= 0, source, ": exp_avg_sq.", name, " holds ", value, ", expected a number >= 0");
  for (auto& [name, tensor] : expected) tensor.copy_(moments.at(name));
  updates_ = updates;
}

}  // namespace tessera

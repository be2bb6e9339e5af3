#include "nn/parameter.h"

#include "tensor/allocator.h"
#include "tensor/ops/global_norm.h"

namespace tessera {

ParameterVisitor with_names(const NameTable& table, const std::string& prefix, const ParameterVisitor& visitor) {
  return [=](const std::string& name, Variable& parameter) {
    for (const auto& [of_layer, of_model] : table)
      if (name == of_layer || name.starts_with(of_layer + "."))
        return visitor(join_name(prefix, of_model + name.substr(of_layer.size())), parameter);
    visitor(join_name(prefix, name), parameter);
  };
}

void ParameterSet::build(const std::vector<Named>& visited, DType dtype, Device device) {
  check(dtype == DType::f32 || dtype == DType::f64, "parameters: dtype is ", dtype, ", expected f32 or f64");
  const int64_t alignment = 64 / size_of(dtype);
  int64_t end = 0;
  std::vector<Named> found;
  std::unordered_map<const void*, std::string> seen;
  for (const auto& [name, parameter] : visited) {
    check(parameter->defined(), "parameters: '", name, "' has no value");
    check(is_floating(parameter->dtype()), "parameters: '", name, "' is ", parameter->dtype(),
          ", expected a floating type");
    check(!index_.contains(name) && !buffers_.contains(name), "parameters: the name '", name, "' occurs twice");
    const bool trained = parameter->requires_grad();
    const void* identity = parameter->value().root().get();
    if (trained) identity = parameter->tape().get();
    const auto first = seen.emplace(identity, name);
    check(first.second, "parameters: '", name, "' is the same variable as '", first.first->second, "'; a shared ",
          trained ? "parameter" : "buffer", " is visited once");
    if (!trained) {
      *parameter = Variable(parameter->value().to(dtype).to(device).clone());
      buffers_.emplace(name, *parameter);
      continue;
    }
    index_.emplace(name, slots_.size());
    found.push_back({name, parameter});
    slots_.push_back({name, {}, end});
    total_ += parameter->value().numel();
    end += (parameter->value().numel() + alignment - 1) / alignment * alignment;
  }
  values_ = Tensor::zeros({end}, dtype, device);
  gradients_ = Tensor::zeros({end}, dtype, device);
  for (size_t i = 0; i < found.size(); ++i) {
    const Tensor old = found[i].parameter->value();
    const auto place_in = [&](const Tensor& arena) {
      return arena.narrow(0, slots_[i].offset, old.numel()).view(old.shape());
    };
    Tensor value = place_in(values_).as_root();
    value.copy_(old);
    Variable parameter(value, true);
    parameter.set_grad_storage(place_in(gradients_).as_root());
    *found[i].parameter = slots_[i].parameter = parameter;
  }
  release_cached_memory();  // the values' first places, whose sizes hardly anything else has
}

std::vector<std::string> ParameterSet::names() const {
  std::vector<std::string> names;
  for (const Slot& slot : slots_) names.push_back(slot.name);
  return names;
}

const Variable* ParameterSet::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &slots_[found->second].parameter;
}

const Variable& ParameterSet::at(const std::string& name) const {
  const Variable* parameter = find(name);
  check(parameter != nullptr, "parameters: there is no '", name, "'");
  return *parameter;
}

void ParameterSet::clear_gradients() {
  for (Slot& slot : slots_) slot.parameter.clear_grad();
}

std::vector<std::string> ParameterSet::reached() const {
  std::vector<std::string> names;
  for (const Slot& slot : slots_)
    if (!slot.parameter.grad_is_empty()) names.push_back(slot.name);
  return names;
}

void ParameterSet::finish_gradients() {
  for (const Slot& slot : slots_) slot.parameter.grad();  // zero-fills what is stale
}

double ParameterSet::global_norm() {
  finish_gradients();
  return ops::global_norm(gradients_);
}

std::map<std::string, Tensor> ParameterSet::state() const {
  std::map<std::string, Tensor> state;
  for (const Slot& slot : slots_) state.emplace(slot.name, slot.parameter.value());
  for (const auto& [name, buffer] : buffers_) state.emplace(name, buffer.value());
  return state;
}

void ParameterSet::load_state(const std::map<std::string, Tensor>& state, const std::string& source) {
  const std::string differences = compare_state(this->state(), state);
  check(differences.empty(), source, ": does not fit the model:", differences);
  for (Slot& slot : slots_) slot.parameter.mutable_value().copy_(state.at(slot.name));
  for (auto& [name, buffer] : buffers_) buffer.mutable_value().copy_(state.at(name));
}

std::vector<StateDifference> state_differences(const std::map<std::string, Tensor>& expected,
                                               const std::map<std::string, Tensor>& state) {
  using Kind = StateDifference::Kind;
  std::vector<StateDifference> out;
  for (const auto& [name, tensor] : expected) {
    const auto found = state.find(name);
    if (found == state.end() || !found->second.defined())
      out.push_back({Kind::missing, name, text("missing: ", name, ", expected ", tensor.shape())});
    else if (!(found->second.shape() == tensor.shape()))
      out.push_back(
          {Kind::shape, name, text("shape: ", name, " is ", found->second.shape(), ", expected ", tensor.shape())});
    else if (!is_floating(found->second.dtype()))
      out.push_back(
          {Kind::type, name, text("type: ", name, " is ", found->second.dtype(), ", expected a floating type")});
  }
  for (const auto& [name, tensor] : state)
    if (!expected.count(name)) out.push_back({Kind::unexpected, name, text("unexpected: ", name, ' ', tensor.shape())});
  return out;
}

std::string compare_state(const std::map<std::string, Tensor>& expected, const std::map<std::string, Tensor>& state) {
  std::string lines;
  for (const StateDifference& difference : state_differences(expected, state)) lines += "\n  " + difference.line;
  return lines;
}

}  // namespace tessera

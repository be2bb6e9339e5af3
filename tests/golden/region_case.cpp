#include "tests/golden/region_case.h"

#include "autograd/functions.h"
#include "nn/state_differences.h"
#include "tensor/ops/concatenate.h"
#include "tests/golden/device.h"
#include "tests/golden/padded_case.h"
#include "tests/gradient_state.h"

namespace tessera::golden {

RegionCase::RegionCase(std::filesystem::path from) : directory(std::move(from)) {
  config.at("config")["layer_norm_eps"] = config.at("layer_norm_eps");
}

Tensor RegionCase::packed(const std::string& name, const std::vector<int64_t>& lengths, DType dtype) const {
  const Tensor& padded = file.at(name);
  std::vector<Tensor> parts;
  for (size_t i = 0; i < lengths.size(); ++i)
    parts.push_back(padded.select(0, static_cast<int64_t>(i)).narrow(0, 0, lengths[i]).contiguous());
  const Tensor out = ops::concatenate(parts, 0);
  return out.dtype() == DType::i64 ? out : out.to(dtype).to(computed_on);
}

std::vector<std::vector<int64_t>> RegionCase::lists(const std::string& name,
                                                    const std::vector<int64_t>& lengths) const {
  std::vector<std::vector<int64_t>> out;
  for (size_t i = 0; i < lengths.size(); ++i)
    out.push_back(row_values(file.at(name), static_cast<int64_t>(i), lengths[i]));
  return out;
}

void RegionCase::load(ParameterSet& parameters, FileViews views_of) const {
  NamedTensors views = views_of(parameters.state());
  const NamedTensors weights = load_safetensors((directory / "model.safetensors").string()).tensors;
  const std::string differences = describe_differences(views, weights);
  check(differences.empty(), "golden: the tensors are not those of the model", differences);
  for (auto& [name, view] : views) view.copy_(weights.at(name));
}

void RegionCase::compare_gradients(ParameterSet& parameters, FileViews views_of) {
  for (const auto& [name, gradient] : views_of(tests::gradient_state(parameters)))
    comparison.compare("grad." + name, gradient, file.at("grad." + name));
}

Tensor marks_of(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> marks{0};
  for (const int64_t length : lengths) marks.push_back(marks.back() + length);
  return Tensor::from(marks);
}

Tensor places_of(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> places;
  for (const int64_t length : lengths)
    for (int64_t i = 0; i < length; ++i) places.push_back(i);
  return Tensor::from(places);
}

Variable with_constant_first_row(const Variable& table) {
  return concatenate({Variable(table.value().narrow(0, 0, 1)), narrow(table, 0, 1, table.size(0) - 1)}, 0);
}

}  // namespace tessera::golden

#include "vilt/files/state_dict.h"

#include "nn/state_differences.h"

namespace tessera {
namespace {

void add_split(StateDict& out, const std::string& stem, const std::string& kind, const Tensor& fused) {
  const int64_t hidden = fused.size(0) / 3;
  int64_t row = 0;
  for (const char* part : {"query", "key", "value"}) {
    out.emplace(stem + "attention.attention." + part + "." + kind, fused.narrow(0, row, hidden));
    row += hidden;
  }
}

}  // namespace

StateDict file_views(const StateDict& state, const ModelConfig& config) {
  StateDict out;
  const std::string fused = "attention.qkv.";
  for (const auto& [name, tensor] : state) {
    const size_t at = name.find(fused);
    if (at != std::string::npos)
      add_split(out, name.substr(0, at), name.substr(at + fused.size()), tensor);
    else if (name.ends_with("patch_embeddings.projection.weight"))
      out.emplace(name, tensor.view({tensor.size(0), 3, config.patch_size, config.patch_size}));
    else if (name.ends_with("embeddings.cls_token") || name.ends_with("embeddings.mask_token") ||
             name.ends_with("vilt.embeddings.position_embeddings"))
      out.emplace(name, tensor.unsqueeze(0));
    else
      out.emplace(name, tensor);
  }
  return out;
}

void check_file_state(const ParameterSet& parameters, const ModelConfig& config, const StateDict& file,
                      const std::string& source) {
  const std::string differences = describe_differences(file_views(parameters.state(), config), file);
  check(differences.empty(), source, ": the tensors are not those of the model; nothing was loaded", differences);
}

void load_file_state(ParameterSet& parameters, const ModelConfig& config, const StateDict& file,
                     const std::string& source) {
  check_file_state(parameters, config, file, source);
  StateDict views = file_views(parameters.state(), config);
  for (auto& [name, view] : views) view.copy_(file.at(name));
}

PartialLoad load_fitting_state(ParameterSet& parameters, const ModelConfig& config, const StateDict& file) {
  StateDict views = file_views(parameters.state(), config);
  const std::string differences = compare_state(views, file);
  PartialLoad out;
  if (!differences.empty()) out.differences = differences.substr(differences.find_first_not_of("\n "));
  for (auto& [name, view] : views) {
    out.total += view.numel();
    const auto found = file.find(name);
    if (found == file.end() || found->second.shape() != view.shape() || !is_floating(found->second.dtype())) {
      out.left_out.push_back(name);
      continue;
    }
    view.copy_(found->second);
    out.loaded += view.numel();
  }
  return out;
}

}  // namespace tessera

#include "nn/gru.h"

namespace tessera {

GruLayers::GruLayers(const GruOptions& given) : options(given) {
  const int64_t count = options.bidirectional ? 2 : 1, gates = 3 * options.hidden;
  const auto bias = [&] { return options.bias ? zero_parameter({gates}) : Variable(); };
  for (int64_t i = 0; i < options.layers * count; ++i) {
    const int64_t input = i < count ? options.input : count * options.hidden;
    directions.push_back({zero_parameter({gates, input}), zero_parameter({gates, options.hidden}), bias(), bias()});
  }
}

GruLayers::States GruLayers::operator()(const Variable& x, const Tensor& cu_seqlens,
                                        const std::vector<Variable>& h0) const {
  check(h0.empty() || h0.size() == directions.size(), "gru: h0 has ", h0.size(), " parts, expected ",
        directions.size());
  States states{x, {}};
  const size_t count = options.bidirectional ? 2 : 1;
  for (size_t first = 0; first < directions.size(); first += count) {
    std::vector<Variable> outputs;
    for (size_t i = first; i < first + count; ++i) {
      const GruLayer& layer = directions[i];
      const Gru result = gru(states.output, layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh, cu_seqlens,
                             h0.empty() ? Variable{} : h0[i], i > first);
      outputs.push_back(result.output);
      states.last.push_back(result.last);
    }
    states.output = count == 1 ? outputs[0] : concatenate(outputs, 1);
  }
  return states;
}

void GruLayers::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  const size_t count = options.bidirectional ? 2 : 1;
  for (size_t i = 0; i < directions.size(); ++i) {
    const std::string end = text("_l", i / count, i % count == 1 ? "_reverse" : "");
    GruLayer& layer = directions[i];
    visitor(join_name(prefix, "weight_ih" + end), layer.weight_ih);
    visitor(join_name(prefix, "weight_hh" + end), layer.weight_hh);
    if (!options.bias) continue;
    visitor(join_name(prefix, "bias_ih" + end), layer.bias_ih);
    visitor(join_name(prefix, "bias_hh" + end), layer.bias_hh);
  }
}

}  // namespace tessera

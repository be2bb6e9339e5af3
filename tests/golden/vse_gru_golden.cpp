// vse_gru: torch.nn.GRU on packed sequences, for every case that the names in case.safetensors give: outputs, last
// states and all gradients. The reference pads its sequences; here they are packed.
#include <string>
#include <vector>

#include "autograd/tape.h"
#include "io/safetensors.h"
#include "nn/gru.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"

namespace tessera::golden {
namespace {

struct GruCase {
  const SafeTensors& file;
  std::string name;
  DType dtype;
  std::vector<int64_t> lengths, real{};  // real: of the padded rows, those that are tokens
  int64_t padded = 0;                    // steps

  GruCase(const SafeTensors& from, const std::string& of, DType type)
      : file(from), name(of), dtype(type), lengths(at("lengths").to_vector<int64_t>()), padded(at("x").size(1)) {
    for (size_t s = 0; s < lengths.size(); ++s)
      for (int64_t step = 0; step < lengths[s]; ++step) real.push_back(static_cast<int64_t>(s) * padded + step);
  }

  const Tensor& at(const std::string& what) const { return file.at(name + "." + what); }
  Tensor here(const std::string& what) const { return at(what).to(dtype).to(computed_on); }
  Tensor marks() const {
    std::vector<int64_t> values{0};
    for (const int64_t length : lengths) values.push_back(values.back() + length);
    return Tensor::from(values);
  }
  // The tokens of [sequences, steps, size], and back, with zeros for padding.
  Tensor packed(const std::string& what) const {
    const Tensor x = at(what);
    Tensor rows = Tensor::empty({static_cast<int64_t>(real.size()), x.size(2)}, dtype);
    const Tensor flat = x.to(dtype).reshape({-1, x.size(2)});
    for (size_t i = 0; i < real.size(); ++i) rows.select(0, static_cast<int64_t>(i)).copy_(flat.select(0, real[i]));
    return rows.to(computed_on);
  }
  Tensor spread(const Tensor& computed) const {
    const Tensor rows = computed.to(Device{});
    const auto sequences = static_cast<int64_t>(lengths.size());
    Tensor full = Tensor::zeros({sequences * padded, rows.size(1)}, dtype);
    for (size_t i = 0; i < real.size(); ++i) full.select(0, real[i]).copy_(rows.select(0, static_cast<int64_t>(i)));
    return full.view({sequences, padded, rows.size(1)});
  }
};

// [parts, ...] of tensors of one shape.
Tensor stacked(const std::vector<Tensor>& parts) {
  Shape shape{static_cast<int64_t>(parts.size())};
  for (int d = 0; d < parts[0].dim(); ++d) shape.push_back(parts[0].size(d));
  Tensor all = Tensor::empty(shape, parts[0].dtype());
  for (size_t i = 0; i < parts.size(); ++i) all.select(0, static_cast<int64_t>(i)).copy_(parts[i].to(Device{}));
  return all;
}

// The sizes, from the shapes of the parameters.
GruOptions options_of(const GruCase& c) {
  GruOptions options;
  options.input = c.at("param.weight_ih_l0").size(1);
  options.hidden = c.at("param.weight_hh_l0").size(1);
  options.bidirectional = c.file.contains(c.name + ".param.weight_ih_l0_reverse");
  options.bias = c.file.contains(c.name + ".param.bias_ih_l0");
  while (c.file.contains(text(c.name, ".param.weight_ih_l", options.layers))) ++options.layers;
  return options;
}

void run_gru_case(const GruCase& c, Comparison& comparison) {
  GruLayers layers(options_of(c));
  layers.visit("param",
               [&](const std::string& name, Variable& parameter) { parameter = Variable(c.here(name), true); });
  const Variable x(c.packed("x"), true);
  std::vector<Variable> h0;
  for (size_t i = 0; i < layers.directions.size(); ++i)
    h0.emplace_back(c.here("h0").select(0, static_cast<int64_t>(i)).clone(), true);
  const GruLayers::States states = layers(x, c.marks(), h0);

  std::vector<Variable> outputs{states.output};
  std::vector<Tensor> cotangents{c.packed("dout")}, last, dh0;
  for (size_t i = 0; i < h0.size(); ++i) {
    outputs.push_back(states.last[i]);
    cotangents.push_back(c.here("dh_n").select(0, static_cast<int64_t>(i)).clone());
  }
  backward(outputs, cotangents);
  for (size_t i = 0; i < h0.size(); ++i) last.push_back(states.last[i].value()), dh0.push_back(h0[i].grad());

  const auto compare = [&](const std::string& what, const Tensor& got) {
    comparison.compare(c.name + "." + what, got, c.at(what));
  };
  compare("out", c.spread(states.output.value()));
  compare("h_n", stacked(last));
  compare("grad.x", c.spread(x.grad()));
  compare("grad.h0", stacked(dh0));
  layers.visit("grad.param", [&](const std::string& name, Variable& parameter) { compare(name, parameter.grad()); });
}

}  // namespace

Outcome run_vse_gru(const std::filesystem::path& directory) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  Comparison comparison(directory);
  for (const auto& item : file.tensors)
    if (const std::string ending = ".lengths"; item.first.ends_with(ending))
      for (const DType dtype : computed_dtypes())
        run_gru_case({file, item.first.substr(0, item.first.size() - ending.size()), dtype}, comparison);
  return comparison.outcome();
}

}  // namespace tessera::golden

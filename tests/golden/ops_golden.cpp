// The entries of ops/case.safetensors: `<op>.<input>`, `<op>.out`, the cotangent `<op>.dout` and the gradients
// `<op>.d<input>`, each in f64 and in f32.
#include <cstdlib>
#include <functional>

#include "autograd/functions.h"
#include "io/safetensors.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"

namespace tessera::golden {
namespace {

class Entry {
 public:
  Entry(const SafeTensors& file, std::string name, DType dtype) : file_(file), name_(std::move(name)), dtype_(dtype) {}

  const std::string& name() const { return name_; }
  bool has(const std::string& tensor) const { return file_.contains(name_ + "." + tensor); }
  const Tensor& stored(const std::string& tensor) const { return file_.at(name_ + "." + tensor); }
  Tensor constant(const std::string& tensor) const { return stored(tensor).to(dtype_); }
  // An input that gets a gradient, where it is computed.
  Variable input(const std::string& tensor) {
    inputs_.emplace_back(tensor, Variable(constant(tensor).to(computed_on), true));
    return inputs_.back().second;
  }

  void compare(const Variable& out, Comparison& comparison) const {
    comparison.compare(name_ + ".out", out.value(), stored("out"));
    out.backward(constant("dout").to(computed_on));
    for (const auto& [tensor, variable] : inputs_)
      comparison.compare(name_ + ".d" + tensor, variable.grad(), stored("d" + tensor));
  }

 private:
  const SafeTensors& file_;
  std::string name_;
  DType dtype_;
  std::vector<std::pair<std::string, Variable>> inputs_;
};

// The number after the op's name: "layer_norm_1e-6".
double number_in_name(const Entry& entry, size_t start) {
  const char* digits = entry.name().c_str() + start;
  char* end = nullptr;
  const double value = std::strtod(digits, &end);
  check(end != digits && *end == '\0', "ops: no number in the name '", entry.name(), "'");
  return value;
}

Variable run_linear(Entry& e) {
  const Variable x = e.input("x"), w = e.input("w");
  return linear(x, w, e.has("b") ? e.input("b") : Variable{});
}

Variable run_layer_norm(Entry& e) {
  const Variable x = e.input("x"), w = e.input("w"), b = e.input("b");
  return layer_norm(x, w, b, number_in_name(e, std::string("layer_norm_").size()));
}

Variable run_attention(Entry& e) {
  const Variable q = e.input("q"), k = e.input("k"), v = e.input("v");
  const Tensor& marks = e.stored("cu_seqlens");
  return attention(q, k, v, marks, marks, e.stored("heads").item<int64_t>());
}

// The reference is the mean times the number of columns: summed over answers, averaged over questions.
Variable run_bce_with_logits(Entry& e) {
  const Variable x = e.input("x");
  return mul(bce_with_logits(x, e.constant("target")), static_cast<double>(x.size(1)));
}

Variable run_cosine_cost(Entry& e) {
  const Variable x = e.input("x"), y = e.input("y");
  return cosine_cost(x, y);
}

// A convolution whose stride is its kernel: a linear layer over flattened patches.
// x [n, c, rows · p, columns · q], w [out, c, p, q].
Variable run_patch_embed(Entry& e) {
  const Variable x = e.input("x"), w = e.input("w"), b = e.input("b");
  const int64_t n = x.size(0), c = x.size(1), p = w.size(2), q = w.size(3), out = w.size(0);
  const int64_t rows = x.size(2) / p, columns = x.size(3) / q;
  const Variable patches =
      reshape(permute(reshape(x, {n, c, rows, p, columns, q}), {0, 2, 4, 1, 3, 5}), {n * rows * columns, c * p * q});
  const Variable y = linear(patches, reshape(w, {out, c * p * q}), b);
  return permute(reshape(y, {n, rows, columns, out}), {0, 3, 1, 2});
}

struct Known {
  const char* op;  // the entry's name, or what it begins with before an underscore
  std::function<Variable(Entry&)> run;
};

const Known kOps[] = {
    {"linear", run_linear},
    {"layer_norm", run_layer_norm},
    {"gelu", [](Entry& e) { return gelu(e.input("x")); }},
    {"tanh", [](Entry& e) { return tanh(e.input("x")); }},
    {"softmax", [](Entry& e) { return softmax(e.input("x")); }},
    {"masked_softmax", [](Entry& e) { return masked_softmax(e.input("x"), e.stored("mask")); }},
    {"attention", run_attention},
    {"cross_entropy", [](Entry& e) { return cross_entropy(e.input("x"), e.stored("labels")); }},
    {"bce_with_logits", run_bce_with_logits},
    {"embedding", [](Entry& e) { return embedding(e.input("table"), e.stored("ids")); }},
    {"cosine_cost", run_cosine_cost},
    {"patch_embed", run_patch_embed},
};

}  // namespace

Outcome run_op(const std::filesystem::path& directory, const std::string& entry) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  for (const Known& known : kOps) {
    const std::string op = known.op;
    if (entry != op && entry.compare(0, op.size() + 1, op + "_") != 0) continue;
    Comparison comparison(directory);
    for (const DType dtype : computed_dtypes()) {
      Entry e(file, entry, dtype);
      const Variable out = known.run(e);
      e.compare(out, comparison);
    }
    return comparison.outcome();
  }
  return {false, "the operation is not known"};
}

}  // namespace tessera::golden

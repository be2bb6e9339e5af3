// vse_conv_ops: `<op>.<input>`, `<op>.out`, the cotangent `<op>.dout` and the gradients `<op>.d<input>`, with the
// settings of each op in config.json, in f64 and in f32.
#include <map>

#include "autograd/functions.h"
#include "io/safetensors.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

using nlohmann::json;

// A number for both sides, or one for each.
Size2d size_in(const json& settings, const char* key, int64_t otherwise) {
  if (!settings.contains(key)) return otherwise;
  const json& value = settings.at(key);
  return value.is_array() ? Size2d(value.at(0), value.at(1)) : Size2d(value.get<int64_t>());
}

class ConvOp {
 public:
  ConvOp(const SafeTensors& file, std::string name, const json& settings, DType dtype)
      : file_(file), name_(std::move(name)), settings_(settings), dtype_(dtype) {}

  void compare(Comparison& comparison) {
    const Variable out = run(settings_.at("kind").get<std::string>());
    comparison.compare(name_ + ".out", out.value(), stored("out"));
    out.backward(stored("dout").to(dtype_).to(computed_on));
    for (const auto& [input, variable] : inputs_)
      comparison.compare(name_ + ".d" + input, variable.grad(), stored("d" + input));
    if (!running_.mean.defined()) return;
    comparison.compare(name_ + ".new_mean", running_.mean, stored("new_mean"));
    comparison.compare(name_ + ".new_var", running_.variance, stored("new_var"));
  }

 private:
  const Tensor& stored(const std::string& tensor) const { return file_.at(name_ + "." + tensor); }
  Tensor constant(const std::string& tensor) const { return stored(tensor).to(dtype_).to(computed_on).clone(); }
  Variable input(const std::string& tensor) {
    if (!file_.contains(name_ + "." + tensor)) return {};
    return inputs_.emplace(tensor, Variable(constant(tensor), true)).first->second;
  }

  Variable run(const std::string& kind) {
    const Variable x = input("x");
    if (kind == "conv2d")
      return conv2d(x, input("w"), input("b"),
                    {size_in(settings_, "stride", 1), size_in(settings_, "padding", 0),
                     size_in(settings_, "dilation", 1), settings_.value("groups", int64_t{1})});
    const Pool2dSettings pooling{size_in(settings_, "kernel", 1),     size_in(settings_, "stride", 0),
                                 size_in(settings_, "padding", 0),    size_in(settings_, "dilation", 1),
                                 settings_.value("ceil_mode", false), settings_.value("count_include_pad", true)};
    if (kind == "max_pool2d") return max_pool2d(x, pooling);
    if (kind == "avg_pool2d") return avg_pool2d(x, pooling);
    if (kind == "adaptive_avg_pool2d") return adaptive_avg_pool2d(x, size_in(settings_, "output", 1));
    const double eps = settings_.value("eps", 1e-5);
    if (kind == "batch_norm_train") {
      running_ = {constant("mean"), constant("var")};
      return batch_norm(x, input("w"), input("b"), eps, &running_, settings_.value("momentum", 0.1));
    }
    if (kind == "batch_norm_eval")
      return batch_norm(x, input("w"), input("b"), RunningStatistics{constant("mean"), constant("var")}, eps);
    if (kind == "relu") return relu(x);
    if (kind == "quick_gelu") return quick_gelu(x);
    if (kind == "l2norm") return x / sqrt(sum(square(x), -1, true));
    fail("conv_ops: '", name_, "' is of the kind '", kind, "', which is not known");
  }

  const SafeTensors& file_;
  std::string name_;
  const json& settings_;
  DType dtype_;
  std::map<std::string, Variable> inputs_;
  RunningStatistics running_;
};

}  // namespace

Outcome run_conv_ops(const std::filesystem::path& directory) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  const json config = read_json(directory / "config.json");
  Comparison comparison(directory);
  for (const DType dtype : computed_dtypes())
    for (const auto& item : config.at("ops").items()) ConvOp(file, item.key(), item.value(), dtype).compare(comparison);
  return comparison.outcome();
}

}  // namespace tessera::golden

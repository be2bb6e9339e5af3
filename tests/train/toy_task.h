// A whole task, as small as one can be: which quadrant lies a point in, and what is the sine of its first number?
#pragma once

#include "autograd/functions.h"
#include "io/safetensors.h"
#include "nn/linear.h"
#include "tensor/ops/reduce.h"
#include "train/run.h"

namespace tessera::tests {

class ToyTask {
 public:
  struct Batch {
    int64_t first = 0;                // the number of its first sample
    Tensor points, sines, quadrants;  // f32 [n, 2], f32 [n, 1], i64 [n]
  };
  double dropout_rate = 0.1;
  explicit ToyTask(Device device = {}) {
    Random random(7);
    model_.visit("", [&](const std::string&, Variable& parameter) {
      Tensor values = parameter.value();
      for (int64_t i = 0; i < values.numel(); ++i)
        values.mutable_data<float>()[i] = static_cast<float>(0.5 * random.normal());
    });
    parameters_.emplace(model_, DType::f32, "", device);
  }
  ParameterSet& parameters() { return *parameters_; }
  FigureTable figure_table() const { return {{"sine", ""}, {"quadrant", "points"}}; }
  ParameterGroup group(const std::string& name, const Variable& p) const { return default_group(name, p); }
  std::optional<std::set<std::string>> trained() const { return std::nullopt; }
  std::vector<int64_t> divisors(const Batch& batch) const { return {batch.points.size(0)}; }
  Losses losses(const Batch& batch, std::span<const int64_t> divisors, TicketSource& tickets) const {
    const double share = 1.0 / static_cast<double>(divisors[0]);
    const Device device = parameters_->device();
    const Variable hidden =
        dropout(tanh(model_.hidden(Variable(batch.points.to(device)))), dropout_rate, tickets.next());
    const Variable wrong = model_.sine(hidden) - Variable(batch.sines.to(device)), logits = model_.quadrant(hidden);
    Losses out;
    out.terms = {{"sine", sum(wrong * wrong) * share, {}, {}},
                 {"quadrant", cross_entropy(logits, batch.quadrants, Reduction::sum) * share, logits, batch.quadrants}};
    out.total = out.terms[0].loss + out.terms[1].loss;
    return out;
  }
  std::string samples(std::span<const Batch> step) const { return text("points from ", step[0].first); }

  // Two micro-batches of five and three points.
  std::vector<Batch> step(int64_t number) const { return {batch(8 * number, 5), batch(8 * number + 5, 3)}; }
  static Batch batch(int64_t first, int64_t count) {
    std::vector<float> points, sines;
    std::vector<int64_t> quadrants;
    for (int64_t i = first; i < first + count; ++i) {
      Random random(3, static_cast<uint64_t>(i));
      const double x = random.uniform(-2, 2), y = random.uniform(-2, 2);
      points.insert(points.end(), {static_cast<float>(x), static_cast<float>(y)});
      sines.push_back(static_cast<float>(std::sin(x)));
      quadrants.push_back(2 * (x > 0) + (y > 0));
    }
    return {first, Tensor::from(points, {count, 2}), Tensor::from(sines, {count, 1}), Tensor::from(quadrants)};
  }
  Evaluated evaluate() const { return {R"({"points":0})", "nothing to evaluate"}; }
  void save(const std::filesystem::path& folder) {
    save_safetensors((folder / "toy.safetensors").string(), parameters_->state());
  }
  std::function<void()> open(const std::filesystem::path& folder) {
    return [this, state = load_safetensors((folder / "toy.safetensors").string()).tensors] {
      parameters_->load_state(state, "toy");
    };
  }
  std::string remarks() const { return "; points never run out"; }

 private:
  struct Model {
    Linear hidden{2, 16}, sine{16, 1}, quadrant{16, 4};
    void visit(const std::string& prefix, const ParameterVisitor& visitor) {
      hidden.visit(join_name(prefix, "hidden"), visitor);
      sine.visit(join_name(prefix, "sine"), visitor);
      quadrant.visit(join_name(prefix, "quadrant"), visitor);
    }
  } model_;
  std::optional<ParameterSet> parameters_;
};
static_assert(Task<ToyTask>);

}  // namespace tessera::tests

// 4. Training: two spirals, three layers, three hundred updates.
//
// Everything that a large model's training consists of is here in small: data, a model made of layers, parameters in
// one arena, a loss, backward, an optimiser, a schedule. Chapter 6 has more of each and nothing else.
#include <cmath>
#include <numbers>

#include "autograd/tape.h"
#include "examples/page.h"
#include "nn/adamw.h"
#include "nn/gradient_clipping.h"
#include "nn/init.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"
#include "nn/schedule.h"
#include "tensor/ops/reduce.h"

using namespace tessera;

struct Points {
  Tensor positions;  // f32 [n, 2]
  Tensor labels;     // i64 [n]: 0 or 1
};

// Points along two arms that wind around each other, with a little noise. The arms interleave along every line through
// the middle, so no straight cut, and no few of them, tells one from the other.
Points two_spirals(int64_t n, uint64_t seed) {
  Random random(seed);
  std::vector<float> positions;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t arm = i % 2;
    const double along = std::sqrt(random.uniform(0.02, 1));
    const double angle = along * 5 * std::numbers::pi + static_cast<double>(arm) * std::numbers::pi;
    positions.push_back(static_cast<float>(along * std::cos(angle) + 0.02 * random.normal()));
    positions.push_back(static_cast<float>(along * std::sin(angle) + 0.02 * random.normal()));
    labels.push_back(arm);
  }
  return {Tensor::from(positions, {n, 2}), Tensor::from(labels)};
}

// A layer is a plain struct: it computes with operator(), and names its parameters with visit().
struct Classifier {
  Linear first{2, 64}, second{64, 64}, output{64, 2};
  LayerNorm norm{64, 1e-6};

  Variable operator()(const Variable& x) const { return output(gelu(norm(second(gelu(first(x)))))); }

  void visit(const std::string& prefix, const ParameterVisitor& visitor) {
    first.visit(join_name(prefix, "first"), visitor);
    second.visit(join_name(prefix, "second"), visitor);
    norm.visit(join_name(prefix, "norm"), visitor);
    output.visit(join_name(prefix, "output"), visitor);
  }
};

double accuracy(const Classifier& model, const Points& points) {
  const NoGrad guard;  // nothing is recorded, so nothing is kept
  const auto predicted = ops::argmax(model(Variable(points.positions)).value(), 1).to_vector<int64_t>();
  const auto wanted = points.labels.to_vector<int64_t>();
  int64_t right = 0;
  for (size_t i = 0; i < wanted.size(); ++i) right += predicted[i] == wanted[i];
  return static_cast<double>(right) / static_cast<double>(wanted.size());
}

// What the model answers everywhere in the square [-1.1, 1.1]².
void draw(const Classifier& model) {
  constexpr int kRows = 22, kColumns = 48;
  std::vector<float> grid;
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kColumns; ++j) {
      grid.push_back(static_cast<float>(2.2 * (j + 0.5) / kColumns - 1.1));
      grid.push_back(static_cast<float>(1.1 - 2.2 * (i + 0.5) / kRows));
    }
  const NoGrad guard;
  const Tensor logits = model(Variable(Tensor::from(grid, {kRows * kColumns, 2}))).value();
  const auto answers = ops::argmax(logits, 1).to_vector<int64_t>();
  for (int i = 0; i < kRows; ++i) {
    std::cout << "    ";
    for (int j = 0; j < kColumns; ++j) std::cout << (answers[static_cast<size_t>(i * kColumns + j)] ? "█" : "·");
    std::cout << "\n";
  }
}

int main() {
  const Points train = two_spirals(400, 1), test = two_spirals(400, 2);
  Classifier model;
  // From here on the values of all parameters lie in one block of memory and their gradients in another.
  ParameterSet parameters(model);
  for (Linear* layer : {&model.first, &model.second, &model.output}) init_fan_in_(layer->weight, "weight", 7);
  AdamW optimiser(parameters, {.beta2 = 0.99, .weight_decay = 0.01});
  constexpr int64_t kSteps = 300;
  const PolynomialSchedule schedule{.peak = 0.02, .warmup = 20, .total = kSteps};

  page::heading("Training");
  std::cout << "    " << parameters.total() << " parameters, " << train.labels.numel() << " points\n\n"
            << "      step      loss   gradient   accuracy on new points\n";
  double loss_value = 0;
  for (int64_t step = 0; step < kSteps; ++step) {
    parameters.clear_gradients();
    const Variable loss = cross_entropy(model(Variable(train.positions)), train.labels);
    loss.backward();
    const double norm = parameters.global_norm();
    optimiser.step(schedule.rate(step + 1), clip_factor(norm, 1.0));
    loss_value = loss.value().item();
    if (step % 25 == 0 || step == kSteps - 1)
      std::cout << std::fixed << std::setprecision(4) << std::setw(10) << step + 1 << std::setw(10) << loss_value
                << std::setw(11) << norm << std::setw(16) << accuracy(model, test) << "\n";
  }

  page::heading("What it has learnt");
  draw(model);
  std::cout << "\n";
  page::claim(accuracy(model, train) > 0.99, "more than 99 % of its own points are on the right side");
  page::claim(accuracy(model, test) > 0.97, "and more than 97 % of points it has never seen");
}

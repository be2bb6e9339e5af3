// Gradients of a whole step against differences of its loss.
#pragma once

#include "autograd/tape.h"
#include "tests/vilt/tiny_model.h"

namespace tessera::tests {

inline Objectives run(const TinyModel& tiny, const std::vector<PretrainBatch>& step, size_t micro,
                      const ObjectiveOptions& options, const Tensor& plan = {}, const ForwardContext& context = {}) {
  return pretrain_objectives(tiny.model, step[micro], options, count_divisors(step), context, plan);
}

inline double loss_of(const TinyModel& tiny, const std::vector<PretrainBatch>& step, const ObjectiveOptions& options,
                      const Tensor& plan) {
  const NoGrad guard;
  return run(tiny, step, 0, options, plan).total.value().item<double>();
}

struct Comparison {
  double worst = 0;           // |backward - difference| / (1e-6 · the larger + 1e-8)
  double worst_relative = 0;  // |backward - difference| / the larger, where that is above 1e-4
  std::string name;
};

// Backward against central differences along `directions` random unit vectors of every parameter.
//
// Steps of 1e-5 in f64: rounding leaves about 1e-16 · loss / 1e-5 = 1e-10, truncation 1e-10 times the third derivative,
// both far below the bound of 1e-8 + 1e-6 of the value.
inline Comparison compare(const TinyModel& tiny, const std::vector<PretrainBatch>& step,
                          const ObjectiveOptions& options, const Tensor& plan, int directions) {
  tiny.parameters->clear_gradients();
  run(tiny, step, 0, options, plan).total.backward();
  tiny.parameters->finish_gradients();
  Comparison out;
  for (const ParameterSet::Slot& slot : tiny.parameters->slots()) {
    const std::vector<double> gradient = slot.parameter.grad().to_vector<double>();
    Tensor value = slot.parameter.value();
    const std::vector<double> start = value.to_vector<double>();
    for (int d = 0; d < directions; ++d) {
      Random random(5, slot.offset, d);
      std::vector<double> v(start.size());
      double norm = 0, along = 0;
      for (double& x : v) {
        x = random.normal();
        norm += x * x;
      }
      for (size_t i = 0; i < v.size(); ++i) along += (v[i] /= std::sqrt(norm)) * gradient[i];
      const auto at = [&](double h) {
        double* p = value.mutable_data<double>();
        for (size_t i = 0; i < v.size(); ++i) p[i] = start[i] + h * v[i];
        return loss_of(tiny, step, options, plan);
      };
      const double difference = (at(1e-5) - at(-1e-5)) / 2e-5;
      std::copy(start.begin(), start.end(), value.mutable_data<double>());
      const double size = std::max(std::abs(along), std::abs(difference)), error = std::abs(along - difference);
      if (error / (1e-6 * size + 1e-8) > out.worst) {
        out.worst = error / (1e-6 * size + 1e-8);
        out.name = slot.name;
      }
      if (size > 1e-4) out.worst_relative = std::max(out.worst_relative, error / size);
    }
  }
  return out;
}

}  // namespace tessera::tests

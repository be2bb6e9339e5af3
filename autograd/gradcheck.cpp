#include "autograd/gradcheck.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>
#include <utility>

#include "autograd/gradcheck_objective.h"
#include "autograd/gradcheck_twins.h"

namespace tessera {
namespace gradcheck_detail {
namespace {

constexpr size_t kListed = 10;

double largest_finite(const Vector& values) {
  double largest = 0;
  for (const double value : values)
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  return largest;
}

// What backward gives along a direction, what differences give, and by how much they may differ.
struct Comparand {
  double analytic;
  Slope slope;
  double bound;
};

class Comparison {
 public:
  explicit Comparison(const GradcheckOptions& options) : options_(options) {}

  void compare(size_t input, int64_t index, const Comparand& comparand) {
    const auto& [analytic, slope, bound] = comparand;
    double nearest = analytic;
    if (!(analytic >= slope.lowest)) nearest = slope.lowest;
    if (analytic > slope.highest) nearest = slope.highest;
    const double difference = std::abs(analytic - nearest);
    ++report.checked;
    report.worst_fraction = std::max(report.worst_fraction, difference / bound);
    if (slope.kink) {
      ++report.kinks;
      if (report.first_kinks.size() < kListed)
        report.first_kinks.push_back({input, index, analytic, slope.lowest, slope.highest});
    }
    // NaN and infinity fail.
    if (difference <= bound && std::isfinite(difference) && !(slope.kink && options_.kinks == Kinks::fail)) return;
    GradcheckFailure failure;
    failure.input = input;
    failure.index = index;
    failure.analytic = analytic;
    failure.numeric = nearest;
    failure.bound = bound;
    failure.at_kink = slope.kink;
    add(failure);
  }

  // Of one backward's gradients with another's, times `factor`: the same formula, so that they differ by roundings
  // alone.
  void same_gradients(const std::vector<Vector>& once, const std::vector<Vector>& again, double factor, double relative,
                      const std::string& when) {
    for (size_t input = 0; input < again.size(); ++input)
      same(factor * once[input], again[input], relative, [&](int64_t i, GradcheckFailure failure) {
        failure.input = input;
        failure.index = i;
        failure.when = when;
        return failure;
      });
  }

  // Of what a twin of `input` gives with what the input itself does.
  void same_pass(const Objective& objective, const Pass& once, const Pass& again, size_t input,
                 const std::string& when) {
    // Another layout may be another kernel, which adds in another order.
    constexpr double kReordered = 1e-10;
    ++report.twins;
    same(once.values, again.values, kReordered, [&](int64_t i, GradcheckFailure failure) {
      failure.input = input;
      std::tie(failure.output, failure.index) = objective.place(i);
      failure.when = when;
      return failure;
    });
    same_gradients(once.gradients, again.gradients, 1, kReordered, when);
  }

  void refused(size_t input, const std::string& when, const std::string& error) {
    GradcheckFailure failure;
    failure.input = input;
    failure.when = when;
    failure.error = error;
    add(failure);
  }

  GradcheckReport report;

 private:
  template <class Place>
  void same(const Vector& expected, const Vector& got, double relative, const Place& place) {
    const double bound = relative * (1 + largest_finite(expected));
    for (int64_t i = 0; i < got.size(); ++i) {
      if (got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i]))) continue;
      if (std::abs(got[i] - expected[i]) <= bound) continue;
      GradcheckFailure failure;
      failure.analytic = got[i];
      failure.numeric = expected[i];
      failure.bound = bound;
      add(place(i, failure));
      return;  // one element is enough to name the case
    }
  }

  void add(const GradcheckFailure& failure) {
    report.ok = false;
    if (report.failures.size() < kListed) report.failures.push_back(failure);
  }

  const GradcheckOptions& options_;
};

class Check {
 public:
  Check(const GradcheckFunction& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options)
      : inputs_(inputs), options_(options), objective_(f, inputs, options), comparison_(options) {}

  GradcheckReport run() {
    contract();
    if (options_.twins)
      for (size_t which = 0; which < inputs_.size(); ++which) twins(which);
    for (size_t which = 0; which < inputs_.size(); ++which) {
      const int64_t limit = std::max<int64_t>(options_.elementwise_limit, options_.directions);
      if (options_.exhaustive || inputs_[which].numel() <= limit)
        elements(which);
      else
        directions(which);
    }
    return std::move(comparison_.report);
  }

 private:
  void contract() {
    constexpr double kRoundings = 1e-12;
    const std::vector<Vector>& once = objective_.pass().gradients;
    comparison_.same_gradients(once, objective_.gradients_again(2, -1), 2, kRoundings,
                               "where gradients are there already");
    if (inputs_.size() == 1) return;
    for (size_t which = 0; which < inputs_.size(); ++which)
      comparison_.same_gradients(once, objective_.gradients_again(1, static_cast<int>(which)), 1, kRoundings,
                                 text("where input ", which, " needs no gradient"));
  }

  void twins(size_t which) {
    std::vector<Tensor> inputs = inputs_;
    for (const Twin& twin : twins_of(inputs_[which])) {
      const std::string when = twin.name(which);
      std::optional<Pass> of_copy;
      if (!twin.same_values) {
        inputs[which] = twin.tensor.contiguous();
        try {
          of_copy = objective_.pass(inputs);
        } catch (const Error&) {
          continue;  // the function does not take such values
        }
      }
      inputs[which] = twin.tensor;
      try {
        comparison_.same_pass(objective_, of_copy ? *of_copy : objective_.pass(), objective_.pass(inputs), which, when);
      } catch (const Error& error) {
        comparison_.refused(which, when, error.what());
      }
    }
  }

  // `tolerance(slope)` is the bound but for roundings.
  template <class Tolerance>
  Comparand measure(size_t which, double analytic, const Vector& direction, double h, const Tolerance& tolerance) {
    const OneSided at = objective_.one_sided(which, direction, h);
    Slope slope = objective_.slope(at);
    double bound = tolerance(slope) + slope.rounding;
    if (objective_.suspicious(at, bound) || !(std::abs(analytic - slope.lowest) <= bound)) {
      slope = objective_.closer(at, which, direction, h, bound);
      bound = tolerance(slope) + slope.rounding;
    }
    return {analytic, slope, bound};
  }

  void element(size_t which, const Vector& x, int64_t i, double largest) {
    const double analytic = objective_.pass().gradients[which][i];
    const auto tolerance = [&](const Slope& slope) {
      const double own =
          std::max({std::isfinite(analytic) ? std::abs(analytic) : 0, std::abs(slope.lowest), std::abs(slope.highest)});
      return options_.absolute + options_.relative * std::max(own, largest / 10);
    };
    const double h = options_.step * std::max(1.0, std::abs(x[i]));
    comparison_.compare(which, i, measure(which, analytic, Vector::Unit(x.size(), i), h, tolerance));
  }

  void elements(size_t which) {
    const Vector x = vector_of(inputs_[which]);
    const double largest = largest_finite(objective_.pass().gradients[which]);
    for (int64_t i = 0; i < x.size(); ++i) element(which, x, i, largest);
  }

  // Of one input.
  struct Directions {
    size_t which = 0;
    Vector x, weights;
    double h = 0, largest = 0;
    int64_t splits = 0;       // that are left
    double hidden = 0;        // the largest error in one element that may not be found
    std::vector<bool> apart;  // elements at a kink, which were compared by themselves
  };

  void directions(size_t which) {
    constexpr int kRounds = 2;
    Directions all;
    all.which = which;
    all.x = vector_of(inputs_[which]);
    all.largest = largest_finite(objective_.pass().gradients[which]);
    all.splits = options_.elementwise_limit;
    const int64_t count = all.x.size();
    const double root = std::sqrt(static_cast<double>(count));
    all.h = options_.step * std::max(1.0, norm(all.x) / root);
    const int parts = std::max(1, options_.directions / kRounds);
    std::vector<int64_t> order(static_cast<size_t>(count)), part;
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
    all.apart.resize(order.size());
    for (int k = 0; k < options_.directions; ++k) {
      Random& random = objective_.random();
      if (k % parts == 0) {
        for (size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
        all.weights.resize(count);
        for (double& weight : all.weights) weight = (random.uniform() < 0.5 ? -1 : 1) * random.uniform(1, 2);
      }
      part.clear();
      for (auto i = static_cast<size_t>(k % parts); i < order.size(); i += static_cast<size_t>(parts))
        if (!all.apart[static_cast<size_t>(order[i])]) part.push_back(order[i]);
      if (!part.empty()) along(all, part);
    }
    comparison_.report.samples.push_back(
        {which, count, options_.directions, all.hidden, norm(objective_.pass().gradients[which]) / root});
  }

  // Compares along the direction that has the weights of `part`. Where it meets a kink it is halved until the kink has
  // an element of its own, so that the others are compared as sharply as without it.
  void along(Directions& all, std::span<const int64_t> part) {
    const Vector& gradient = objective_.pass().gradients[all.which];
    Vector direction = Vector::Zero(all.x.size());
    for (const int64_t i : part) direction[i] = all.weights[i];
    const double bound =
        options_.absolute * norm(direction) + options_.relative / 10 * norm(direction.cwiseProduct(gradient));
    const Comparand measured =
        measure(all.which, dot(direction, gradient), direction, all.h, [&](const Slope&) { return bound; });
    if (measured.slope.kink && all.splits > 0) {
      --all.splits;
      if (part.size() == 1) {
        element(all.which, all.x, part[0], all.largest);
        all.apart[static_cast<size_t>(part[0])] = true;
      } else {
        along(all, part.first(part.size() / 2));
        along(all, part.subspan(part.size() / 2));
      }
      return;
    }
    comparison_.compare(all.which, -1, measured);
    // An error in one element is scaled by 1 at least, and has to exceed the bound by what the difference may be off.
    all.hidden = std::max(all.hidden, 2 * measured.bound + (measured.slope.highest - measured.slope.lowest));
  }

  const std::vector<Tensor>& inputs_;
  const GradcheckOptions& options_;
  Objective objective_;
  Comparison comparison_;
};

}  // namespace
}  // namespace gradcheck_detail

Tensor random_normal(const Shape& shape, uint64_t seed, DType dtype) {
  Random random(seed);
  return gradcheck_detail::tensor_of(gradcheck_detail::normals(shape.numel(), random), shape).to(dtype);
}

GradcheckReport gradcheck(const GradcheckFunction& f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options) {
  for (const Tensor& input : inputs)
    check(input.dtype() == DType::f64, "gradcheck: input has dtype ", input.dtype(), ", expected f64");
  check(!inputs.empty(), "gradcheck: no inputs, so that nothing can be compared");
  check(options.directions > 0, "gradcheck: ", options.directions, " directions, expected one or more");
  return gradcheck_detail::Check(f, inputs, options).run();
}

GradcheckReport gradcheck_one(const std::function<Variable(std::span<const Variable>)>& f,
                              const std::vector<Tensor>& inputs, const GradcheckOptions& options) {
  return gradcheck([&](std::span<const Variable> x) { return std::vector<Variable>{f(x)}; }, inputs, options);
}

}  // namespace tessera

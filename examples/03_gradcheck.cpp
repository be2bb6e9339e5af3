// 3. Gradient checks: how to find out that a derivative is wrong.
//
// A wrong gradient rarely crashes. The loss still falls, only slower or not as far, and weeks go by. The remedy is as
// old as calculus: move an input by h and see whether the output follows. `gradcheck` does so for every input
// element.
#include <sstream>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "autograd/op_checks.h"
#include "autograd/tape.h"
#include "examples/page.h"
#include "tensor/ops/elementwise.h"
#include "tensor/ops/reduce.h"
#include "tensor/ops/softmax.h"

using namespace tessera;

using Inputs = std::span<const Variable>;

// RMS normalisation, y = x r with r = (mean x² + eps)^(-1/2) for each row. Its derivative is
//
//   dx = r (dy - x r² mean(dy x)).
//
// The second term exists because r depends on x as well. It is the one that is forgotten.
Variable rms_norm(const Variable& x, bool forget_second_term) {
  const Tensor v = x.value();
  const Tensor mean_square = ops::mean(ops::square(v), -1, true);
  const Tensor r = ops::div(Tensor::scalar(1, DType::f64), ops::sqrt(ops::add(mean_square, 1e-6)));
  return record("rms_norm", ops::mul(v, r), {x}, [=](const Tensor& dy, GradSlots) -> Grads {
    const Tensor through_r = ops::mul(ops::mul(v, ops::square(r)), ops::mean(ops::mul(dy, v), -1, true));
    return {ops::mul(forget_second_term ? dy : ops::sub(dy, through_r), r)};
  });
}

// A softmax with no derivative at all.
Variable softmax_without_gradient(const Variable& x) {
  return record("softmax_without_gradient", ops::softmax(x.value()), {x},
                [](const Tensor& dy, GradSlots) -> Grads { return {Tensor::zeros_like(dy)}; });
}

void print(const GradcheckReport& report) {
  std::istringstream lines(report.message());
  for (std::string line; std::getline(lines, line);) std::cout << "    " << line << "\n";
}

int main() {
  const std::vector<Tensor> inputs{random_normal({2, 3}, /*seed=*/1)};

  page::heading("A planted bug: the second term of RMS normalisation is missing");
  const GradcheckReport wrong = gradcheck_one([](Inputs x) { return rms_norm(x[0], true); }, inputs);
  print(wrong);
  page::claim(!wrong.ok && wrong.failures.front().input == 0, "gradcheck finds it, and names input and element");

  page::heading("The same with the term");
  const GradcheckReport right = gradcheck_one([](Inputs x) { return rms_norm(x[0], false); }, inputs);
  print(right);
  // Central differences in f64 with h = 1e-6 are good to about ten digits, and the bound is 1e-6: a correct gradient
  // stays far below it, a wrong term far above. There is nothing between, so nothing to tune.
  page::claim(right.ok && right.worst_fraction < 0.1, "it passes with room to spare");
  page::claim(wrong.worst_fraction > 1000, "and the bug exceeded the bound more than a thousandfold");

  page::heading("Why the outputs are weighted at random");
  // A scalar is needed, and the obvious one is the sum of the outputs. But every softmax row sums to 1 whatever x is:
  // the sum has no slope, and a backward that returns nothing but zeros agrees with it. gradcheck draws a random
  // weight for each output instead.
  const auto of_sum = gradcheck_one([](Inputs x) { return sum(softmax_without_gradient(x[0])); }, inputs);
  const auto of_outputs = gradcheck_one([](Inputs x) { return softmax_without_gradient(x[0]); }, inputs);
  std::cout << "    softmax whose backward returns zeros\n"
            << "      checked through the sum of its outputs:   " << (of_sum.ok ? "passes" : "fails") << "\n"
            << "      checked through random weights:           " << (of_outputs.ok ? "passes" : "fails") << "\n";
  page::claim(of_sum.ok && !of_outputs.ok, "the sum hides the bug, the random weights show it");

  page::heading("The library's own ops");
  // The same for everything in autograd/functions.h; `vilt gradcheck` prints the table. And, because a check that
  // cannot fail proves nothing, once more with an error of 1 % in the gradient of each.
  size_t passed = 0, caught = 0, with_gradient = 0;
  const std::vector<OpCheck> checks = all_op_checks();
  for (const OpCheck& check : checks) {
    passed += check.run().ok;
    const std::vector<size_t> candidates = inputs_with_gradient(check);
    if (candidates.empty()) continue;  // of size 0: no derivative that could be wrong
    ++with_gradient;
    caught += !with_planted_error(check, candidates.front(), PlantedError::scaled).run().ok;
  }
  std::cout << "    " << passed << " of " << checks.size() << " checks pass\n"
            << "    " << caught << " of " << with_gradient << " planted errors are caught\n";
  page::claim(passed == checks.size(), "every op's gradient is right");
  page::claim(caught == with_gradient, "and every check would have noticed if it were not");
}

// 5. Optimal transport: which word belongs to which patch, and a gradient check that must fail.
//
// Five words and ten patches are vectors. Moving a word's weight onto a patch costs 1 - cosine. Every word has weight
// 1/5, every patch takes 1/10; the plan says how much goes where, at the least total cost. ViLT makes this total, the
// transport distance, small for pictures with their own caption. IPOT finds the plan in a few lines of arithmetic.
#include <algorithm>
#include <cmath>
#include <map>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "examples/page.h"
#include "tensor/ops/elementwise.h"
#include "tensor/ops/ipot.h"

using namespace tessera;

constexpr int64_t kWords = 5, kPatches = 10, kSize = 16;
constexpr int64_t kIterations[] = {1, 10, 50, 200, 2000};
const char* const kWordNames[kWords] = {"red", "ring", "above", "green", "cross"};
const std::vector<int64_t> kOwner{3, 0, 4, 1, 1, 2, 0, 4, 2, 3};  // the word each patch was made from

// Vectors inside a transformer have much in common whatever they stand for, so all of these get the same large part.
// The rest of a patch is half its word and as much noise as anything.
Tensor with_common_part(const Tensor& rows) { return ops::add(rows, ops::mul(random_normal({1, kSize}, 23), 3)); }
Tensor make_words() { return random_normal({kWords, kSize}, 11); }
Tensor make_patches() {
  const Variable own_words = embedding(Variable(make_words()), Tensor::from(kOwner));  // row kOwner[j] for patch j
  return ops::add(ops::mul(own_words.value(), 0.5), random_normal({kPatches, kSize}, 22));
}

// One pair: its words begin at 0 and end at 5, its patches begin at 0 and end at 10. A batch would have more marks.
const Tensor kWordMarks = Tensor::from(std::vector<int64_t>{0, kWords});
const Tensor kPatchMarks = Tensor::from(std::vector<int64_t>{0, kPatches});

Variable cost_of(const Variable& words, const Variable& patches) {
  return cosine_cost(words, patches, kWordMarks, kPatchMarks);
}
Tensor plan_of(const Tensor& cost, double beta, int64_t iterations) {
  return ops::ipot(cost, kWordMarks, kPatchMarks, beta, iterations);
}
double distance_of(const Tensor& cost, const Tensor& plan) {
  return transport_distance(Variable(cost), plan, kWordMarks, kPatchMarks).value().item();
}

// With these weights a plan of least cost gives each word two whole patches. So we may try them all: 10! / 2^5 =
// 113,400.
double exact_distance(const std::vector<double>& cost) {
  std::vector<size_t> owner{0, 0, 1, 1, 2, 2, 3, 3, 4, 4};
  double best = INFINITY;
  do {
    double total = 0;
    for (size_t j = 0; j < owner.size(); ++j) total += cost[owner[j] * kPatches + j] / kPatches;
    best = std::min(best, total);
  } while (std::next_permutation(owner.begin(), owner.end()));
  return best;
}

void draw(const Tensor& plan) {
  static const char* const shades[] = {"  ", "··", "░░", "▒▒", "▓▓", "██"};  // up to 1/10, all that a patch takes
  const std::vector<double> values = plan.to_vector<double>();
  for (int64_t i = 0; i < kWords; ++i) {
    std::cout << "    " << std::setw(6) << kWordNames[i] << " │";
    for (int64_t j = 0; j < kPatches; ++j) {
      const double share = std::min(1.0, values[static_cast<size_t>(i * kPatches + j)] * kPatches);
      std::cout << shades[std::lround(share * 5)];
    }
    std::cout << "│\n";
  }
}

int main() {
  const Tensor words = with_common_part(make_words()), patches = with_common_part(make_patches());
  const Tensor cost = cost_of(Variable(words), Variable(patches)).value();

  page::heading("The plan fills in (beta = 0.5, one column for each patch)");
  double distance = 0;
  for (const int64_t iterations : kIterations) {
    const Tensor plan = plan_of(cost, 0.5, iterations);
    distance = distance_of(cost, plan);
    std::cout << "    after " << iterations << (iterations == 1 ? " iteration" : " iterations") << ": distance "
              << std::setprecision(6) << distance << "\n";
    draw(plan);
    std::cout << "\n";
  }
  const double exact = exact_distance(cost.to_vector<double>());
  std::cout << "    the best of all 113,400 ways to give each word two patches: " << exact << "\n";
  page::claim(std::abs(distance - exact) < 1e-4, "IPOT has found it");

  page::heading("A correct gradient that looks wrong");
  // Training treats the plan as a constant: d(distance) = Σ plan · d(cost). A gradient check that moves an input and
  // lets the plan be computed anew measures something else: the plan moves as well. So it fails, and nothing is
  // broken.
  const auto recomputed = [](int64_t iterations) {
    return [iterations](std::span<const Variable> x) {
      const Variable c = cost_of(x[0], x[1]);
      return transport_distance(c, plan_of(c.value(), 0.5, iterations), kWordMarks, kPatchMarks);
    };
  };
  const auto frozen = [](const Tensor& plan) {
    return [plan](std::span<const Variable> x) {
      return transport_distance(cost_of(x[0], x[1]), plan, kWordMarks, kPatchMarks);
    };
  };
  // Bounds are relative to the element's own gradient, or to a tenth of the largest where that is more.
  const auto percent = [](const GradcheckReport& r) { return 100 * r.worst_fraction * GradcheckOptions{}.relative; };
  std::cout << "    largest error, in % of an element's gradient (or of a tenth of the largest, if that is more)\n\n"
            << "      iterations   plan recomputed           plan frozen\n";
  std::map<int64_t, GradcheckReport> naive;
  bool all_frozen_pass = true;
  for (const int64_t iterations : kIterations) {
    naive[iterations] = gradcheck_one(recomputed(iterations), {words, patches});
    const GradcheckReport fixed = gradcheck_one(frozen(plan_of(cost, 0.5, iterations)), {words, patches});
    all_frozen_pass = all_frozen_pass && fixed.ok;
    std::cout << std::fixed << std::setprecision(7) << std::setw(16) << iterations << std::setw(14)
              << percent(naive[iterations]) << (naive[iterations].ok ? "  ok    " : "  failed") << std::setw(14)
              << percent(fixed) << (fixed.ok ? "  ok\n" : "  failed\n");
  }
  std::cout << "\n";
  page::claim(percent(naive[50]) > 5, "at ViLT's setting, 50 iterations, the naive check is off by more than 5 %");
  page::claim(all_frozen_pass, "with the plan frozen, the same gradient passes every time");
  // Why the first column shrinks: at the optimum the distance cannot be lowered by changing the plan, so to first order
  // the plan's own motion costs nothing (the envelope theorem). Fifty iterations are simply not the optimum yet.
  page::claim(naive[2000].ok, "and once the plan is the optimum, its motion no longer matters");
}

#include "tensor/ops/ipot.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "tensor/cuda/device_copy.h"
#include "tensor/cuda/has_cuda.h"
#include "tensor/ops/ipot_kernels.h"
#include "tensor/ops/ragged.h"
#include "tensor/ops/scratch.h"
#include "tensor/parallel.h"
#include "tensor/simd/lanes.h"
#include "tensor/simd/vector_math.h"

namespace tessera::ops {
namespace {

constexpr const char* kIpotOp = "ipot";
constexpr double kSpanOfF32 = 40, kSpanOfF64 = 650;

// While alive, results below the smallest normal number are 0 on this thread. The elements of a plan that die out pass
// through that range, where arithmetic is up to a hundred times slower.
class FlushDenormals {
#if defined(__SSE2__)
 public:
  FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040u); }
  ~FlushDenormals() { _mm_setcsr(before_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned before_;
#else
 public:
  FlushDenormals() {}
  ~FlushDenormals() {}
#endif
};

template <class T>
struct Sample {
  const T *cost, *row_marginals, *column_marginals;  // marginals: null for uniform
  int64_t m, n;
  T* plan;
};

// One pass over the matrix for each iteration: as soon as the new delta is known, each row gives its sigma, its row of
// the plan, and with that its row of the next Q and its share of the next delta. `Work` is the type computed in.
template <class T, class Work>
class Solver {
 public:
  Solver(const Sample<T>& sample, double beta)
      : sample_(sample), m_(sample.m), n_(sample.n), length_(simd::padded<Work>(sample.n)) {
    Scratch scratch =
        Scratch::of_this_thread(2 * Scratch::bytes_for<Work>(m_ * length_) + 4 * Scratch::bytes_for<Work>(length_));
    a_ = scratch.take<Work>(m_ * length_);
    q_ = scratch.take<Work>(m_ * length_);
    delta_ = scratch.take<Work>(length_);
    next_ = scratch.take<Work>(length_);
    row_ = scratch.take<Work>(length_);
    columns_ = scratch.take<Work>(length_);
    prepare(beta);
  }

  void run(int64_t iterations) {
    for (int64_t t = 0; t < iterations; ++t) {
      std::swap(delta_, next_);
      for (int64_t j = 0; j < length_; ++j) delta_[j] = columns_[j] / delta_[j];
      for (int64_t j = n_; j < length_; ++j) delta_[j] = 0;
      std::fill_n(next_, length_, Work{0});
      for (int64_t i = 0; i < m_; ++i) step_row(i, t + 1 == iterations);
    }
  }

 private:
  using Vector = simd::Vector<Work>;
  static constexpr int64_t kLanes = simd::kLanes<Work>;

  // A, Q = A (T = 1) and the first sums Σ_i Q_ij / m.
  void prepare(double beta) {
    const T least = *std::min_element(sample_.cost, sample_.cost + m_ * n_);
    const Work rate = static_cast<Work>(-1 / beta), sigma = 1 / static_cast<Work>(m_);
    std::fill_n(next_, length_, Work{0});
    for (int64_t i = 0; i < m_; ++i) {
      Work *a = a_ + i * length_, *q = q_ + i * length_;
      const T* cost = sample_.cost + i * n_;
      for (int64_t j = 0; j < n_; ++j)
        a[j] = vmath::exp((static_cast<Work>(cost[j]) - static_cast<Work>(least)) * rate);
      for (int64_t j = n_; j < length_; ++j) a[j] = 0;
      for (int64_t j = 0; j < length_; ++j) q[j] = a[j];
      for (int64_t j = 0; j < length_; ++j) next_[j] += a[j] * sigma;
    }
    for (int64_t j = 0; j < n_; ++j)
      columns_[j] =
          sample_.column_marginals ? static_cast<Work>(sample_.column_marginals[j]) : 1 / static_cast<Work>(n_);
    for (int64_t j = n_; j < length_; ++j) columns_[j] = 0;
  }

  Work row_marginal(int64_t i) const {
    return sample_.row_marginals ? static_cast<Work>(sample_.row_marginals[i]) : 1 / static_cast<Work>(m_);
  }

  void step_row(int64_t i, bool last) {
    Work* q = q_ + i * length_;
    const Work* a = a_ + i * length_;
    Vector lanes{};
    for (int64_t j = 0; j < length_; j += kLanes) {
      const Vector v = simd::load(q + j) * simd::load(delta_ + j);
      simd::store(row_ + j, v);
      lanes += v;
    }
    if (last) return finish_row(i);
    const Work wanted = row_marginal(i), total = simd::sum_of_lanes<Work>(lanes);
    const Work sigma = wanted > 0 ? wanted / total : Work{0};
    for (int64_t j = 0; j < length_; j += kLanes) {
      const Vector next = simd::load(a + j) * (simd::load(row_ + j) * sigma);
      simd::store(q + j, next);
      simd::store(next_ + j, simd::load(next_ + j) + next * sigma);
    }
  }

  // The last sigma is found in f64: an error in it is one of the row's whole mass, and the alignment loss is a small
  // difference of distances, which are means over that mass.
  void finish_row(int64_t i) {
    double total = 0;
    for (int64_t j = 0; j < n_; ++j) total += static_cast<double>(row_[j]);
    const double wanted =
        sample_.row_marginals ? static_cast<double>(sample_.row_marginals[i]) : 1 / static_cast<double>(m_);
    const double sigma = wanted > 0 ? wanted / total : 0.0;
    for (int64_t j = 0; j < n_; ++j) sample_.plan[i * n_ + j] = static_cast<T>(static_cast<double>(row_[j]) * sigma);
  }

  Sample<T> sample_;
  int64_t m_, n_, length_;
  Work *a_, *q_, *delta_, *next_, *row_, *columns_;
};

std::string too_small(double beta, double least, double most) {
  return text(kIpotOp, ": beta ", beta, " is too small for costs from ", least, " to ", most, "; expected at least ",
              (most - least) / kSpanOfF64);
}

template <class T>
void solve(const Sample<T>& sample, double beta, int64_t iterations) {
  if (sample.m == 0 || sample.n == 0) return;
  const FlushDenormals guard;
  const auto [least, most] = std::minmax_element(sample.cost, sample.cost + sample.m * sample.n);
  const double span = (static_cast<double>(*most) - static_cast<double>(*least)) / beta;
  if (span > kSpanOfF64) fail(too_small(beta, static_cast<double>(*least), static_cast<double>(*most)));
  if (std::is_same_v<T, double> || span > kSpanOfF32)
    Solver<T, double>(sample, beta).run(iterations);
  else
    Solver<T, T>(sample, beta).run(iterations);
}

void check_marginals(const char* name, const Tensor& marginals, const Tensor& cost, std::span<const int64_t> marks) {
  if (!marginals.defined()) return;
  check(marginals.dtype() == cost.dtype() && marginals.shape() == Shape{marks.back()}, kIpotOp, ": ", name, " are ",
        describe(marginals), ", expected ", cost.dtype(), " [", marks.back(), "]");
  const std::vector<double> values = marginals.to(DType::f64).to_vector<double>();
  for (size_t s = 1; s < marks.size(); ++s) {
    double sum = 0;
    for (int64_t i = marks[s - 1]; i < marks[s]; ++i) {
      const double value = values[static_cast<size_t>(i)];
      check(value >= 0, kIpotOp, ": ", name, "[", i, "] is ", value, ", expected at least 0");
      sum += value;
    }
    check(marks[s] == marks[s - 1] || std::abs(sum - 1) <= 1e-3, kIpotOp, ": ", name, " of sample ", s - 1, " sum to ",
          sum, ", expected 1");
  }
}

// With marks and marginals on the host.
void solve_on_device(const Tensor& cost, const Tensor& cu_rows, const Tensor& cu_columns,
                     const std::vector<int64_t>& offsets, double beta, int64_t iterations, const Tensor& row_marginals,
                     const Tensor& column_marginals, Tensor& plan) {
  const auto on_device = [](const Tensor& host) { return host.defined() ? cuda::on_device(host) : Tensor{}; };
  const Tensor p = on_device(row_marginals), q = on_device(column_marginals);
  const Tensor rows = cuda::on_device(cu_rows), columns = cuda::on_device(cu_columns);
  const Tensor starts = cuda::offsets_on_device(cu_rows, cu_columns, offsets);
  const cuda::IpotSamples samples{cost.device_data<float>(),
                                  p.defined() ? p.device_data<float>() : nullptr,
                                  q.defined() ? q.device_data<float>() : nullptr,
                                  rows.device_data<int64_t>(),
                                  columns.device_data<int64_t>(),
                                  starts.device_data<int64_t>(),
                                  static_cast<int64_t>(offsets.size()) - 1,
                                  longest({cu_rows.data<int64_t>(), offsets.size()}),
                                  longest({cu_columns.data<int64_t>(), offsets.size()}),
                                  longest(offsets)};
  Tensor workspace64 = Tensor::empty({2 * offsets.back()}, DType::f64, cost.device()), workspace32;
  if (!cuda::ipot_fits_shared_memory(samples))
    workspace32 = Tensor::empty({2 * offsets.back()}, DType::f32, cost.device());
  cuda::ErrorWord* failed = cuda::deferred_error(text("ipot, beta ", std::bit_cast<uint64_t>(beta)), [beta](auto word) {
    const cuda::CostRange costs = cuda::ipot_failure(word);
    return too_small(beta, static_cast<double>(costs.least), static_cast<double>(costs.most));
  });
  cuda::ipot(samples, plan.mutable_device_data<float>(), beta, iterations,
             workspace32.defined() ? workspace32.mutable_device_data<float>() : nullptr,
             workspace64.mutable_device_data<double>(), failed);
}

}  // namespace

Tensor ipot(const Tensor& cost_any, const Tensor& cu_rows, const Tensor& cu_columns, double beta, int64_t iterations,
            const Tensor& row_marginals_any, const Tensor& column_marginals_any) {
  check(beta > 0, kIpotOp, ": beta is ", beta, ", expected more than 0");
  check(iterations >= 1, kIpotOp, ": iterations is ", iterations, ", expected at least 1");
  check(cost_any.defined(), kIpotOp, ": cost is undefined");
  const auto rows = check_marks(kIpotOp, "cu_rows", cu_rows), columns = check_marks(kIpotOp, "cu_columns", cu_columns);
  check(rows.size() == columns.size(), kIpotOp, ": cu_rows marks ", rows.size() - 1, " samples, cu_columns ",
        columns.size() - 1);
  const std::vector<int64_t> offsets = matrix_offsets(rows, columns);
  const Tensor cost = cost_any.contiguous();
  check(cost.numel() == offsets.back(), kIpotOp, ": cost is ", describe(cost), ", expected ", offsets.back(),
        " elements");
  check_marginals("row_marginals", row_marginals_any, cost, rows);
  check_marginals("column_marginals", column_marginals_any, cost, columns);
  const Tensor row_marginals = row_marginals_any.defined() ? row_marginals_any.contiguous() : Tensor{};
  const Tensor column_marginals = column_marginals_any.defined() ? column_marginals_any.contiguous() : Tensor{};
  Tensor plan = Tensor::empty_like(cost);
  if constexpr (kHasCuda)
    if (cost.on_cuda()) {
      solve_on_device(cost, cu_rows, cu_columns, offsets, beta, iterations, row_marginals, column_marginals, plan);
      return plan;
    }
  dispatch_floating(kIpotOp, cost.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T *c = cost.data<T>(), *p = row_marginals.defined() ? row_marginals.data<T>() : nullptr;
    const T* q = column_marginals.defined() ? column_marginals.data<T>() : nullptr;
    T* out = plan.mutable_data<T>();
    parallel_chunks(static_cast<int64_t>(rows.size()) - 1, [&](int64_t s) {
      const int64_t first = offsets[static_cast<size_t>(s)];
      solve<T>({c + first, p ? p + rows[s] : nullptr, q ? q + columns[s] : nullptr, rows[s + 1] - rows[s],
                columns[s + 1] - columns[s], out + first},
               beta, iterations);
    });
  });
  return plan;
}

}  // namespace tessera::ops

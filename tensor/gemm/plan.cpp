#include "tensor/gemm/plan.h"

#include <algorithm>
#include <limits>

namespace tessera {
namespace {

// `size` cut into `pieces`, in multiples of `unit`.
int64_t piece(int64_t size, int64_t pieces, int64_t unit) {
  return std::max<int64_t>(1, std::min(size, divide_up(divide_up(size, pieces), unit) * unit));
}

}  // namespace

// The number of pieces follows the work: one below 4 Mflop (about 16 µs, against 1 to 2 µs for starting a parallel
// loop), then up to eight, then so many that none has more than 512 Mflop. A power of two divides evenly among the
// usual numbers of threads.
//
// The grid is the cheapest one. The BLAS copies its operands into packed form in every piece; a copied element costs
// about 20 multiply-adds (measured: AVX-512 core, 230 to 270 Gflop/s), an element of a partial product that is written
// and added about 30.
GemmPlan plan_gemm(int64_t m, int64_t n, int64_t k) {
  constexpr double kPiece = 2e6, kLargePiece = 512e6, kPackCost = 20, kPartialCost = 30;
  const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  int64_t pieces = 1;
  while (pieces < 8 && flops >= kPiece * 2 * static_cast<double>(pieces)) pieces *= 2;
  while (pieces < 64 && flops > kLargePiece * static_cast<double>(pieces)) pieces *= 2;
  if (pieces == 1) return {std::max<int64_t>(m, 1), std::max<int64_t>(n, 1), std::max<int64_t>(k, 1)};

  double best = std::numeric_limits<double>::infinity();
  int64_t best_rows = 1, best_columns = 1, best_depth = 1;
  const auto consider = [&](int64_t rows, int64_t columns, int64_t depth) {
    if ((rows > 1 && m / rows < 4) || (columns > 1 && n / columns < 16) || (depth > 1 && k / depth < 64)) return;
    const double packed = static_cast<double>(k) * static_cast<double>(rows * n + columns * m);
    const double partial = depth == 1 ? 0 : static_cast<double>(depth * m) * static_cast<double>(n);
    const double cost = kPackCost * packed + kPartialCost * partial;
    if (cost >= best) return;
    best = cost;
    best_rows = rows, best_columns = columns, best_depth = depth;
  };
  for (; pieces > 1 && best_rows * best_columns * best_depth == 1; pieces /= 2) {
    for (int64_t rows = 1; rows <= pieces; rows *= 2) consider(rows, pieces / rows, 1);
    consider(1, 1, pieces);
  }
  return {piece(m, best_rows, 4), piece(n, best_columns, 16), piece(k, best_depth, 16)};
}

}  // namespace tessera

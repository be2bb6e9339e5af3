#include "tensor/gemm/packed/product_plan.h"

#include <algorithm>

#include "tensor/gemm/plan.h"

namespace tessera::products {
namespace {

// `size` cut evenly into pieces of at most `most`, in multiples of `unit`.
int64_t even_piece(int64_t size, int64_t most, int64_t unit) {
  const int64_t pieces = std::max<int64_t>(1, divide_up(size, most));
  return std::max(unit, divide_up(divide_up(size, pieces), unit) * unit);
}

}  // namespace

// Sizes of what stays in cache, at 128 rows: a block of the right panel and of a left strip 24 + 8 KiB (first level);
// the packed rows of a slab 256 KiB (512 wide or split) and the sums of a group of columns 96 KiB (second level). With
// more than one slab, the sums of the whole chunk wait: 768 columns, 384 KiB.
//
// A right operand is read once for each chunk of rows, so these should be many: 128 rows give 128 multiply-adds for
// each element. But every thread needs work: above 4 Mflop there are at least eight chunks where rows and columns allow
// it, by halving the rows down to 64 first, then the columns (each chunk packs its rows anew), then the rows to one
// unit.
ProductPlan plan_product(int64_t m, int64_t n, int64_t k, const Kernels& kernels) {
  constexpr int64_t kRows = 128, kSlab = 1024, kBlock = 256, kWaitingColumns = 768, kChunks = 8;
  constexpr double kWorthCutting = 4e6;
  const int64_t unit = kernels.left_strips * kStrip, panel = kernels.right_strips * kStrip;
  const int64_t group = 192 / panel * panel;
  int64_t rows = kRows, columns = k > kSlab ? kWaitingColumns : divide_up(n, kStrip) * kStrip;
  const double flops = 2 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  const auto chunks = [&] { return divide_up(m, rows) * divide_up(n, columns); };
  if (flops >= kWorthCutting) {
    while (chunks() < kChunks && rows > 64) rows /= 2;
    while (chunks() < kChunks && columns > group) columns = std::max(group, divide_up(columns / 2, panel) * panel);
    while (chunks() < kChunks && rows > unit) rows = std::max(unit, rows / 2);
  } else {
    rows = std::max(rows, divide_up(m, unit) * unit);
  }
  return {even_piece(m, rows, unit), even_piece(n, columns, panel), group, kSlab, kBlock};
}

}  // namespace tessera::products

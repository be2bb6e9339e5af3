// Packing a weight W [rows, columns] while it is written. A band of 32 rows is a whole block of positions of W as the
// right operand and two whole strips of Wᵀ, so that each band can be packed by itself, by the thread that has just
// written it. What is packed goes past the caches: it is not read before the next product, and its lines need not be
// fetched to be overwritten.
#pragma once

#include <vector>

#include "tensor/gemm/packed/kernels.h"
#include "tensor/gemm/packed/packed_matrix.h"

namespace tessera::products {

class BandPacker {
 public:
  static constexpr int64_t kRows = kDepthUnit;

  // Copies of one W, contiguous, by PackedMatrix::source_rows and source_columns. At least one.
  explicit BandPacker(const std::vector<PackedMatrix*>& copies);

  int64_t columns() const { return columns_; }

  // A band in its bf16 forms, row-major, in this thread's scratch memory. Those that no copy has are null.
  struct Band {
    int64_t first_row, rows;
    uint16_t *rounded, *high, *low;
  };
  Band begin(int64_t first_row) const;
  // Elements [at, at + count) of the band are now `values`; `at` is a multiple of 16.
  void convert(const Band& band, const float* values, int64_t at, int64_t count) const;
  // Into the copies. Their contents equal those of PackedMatrix::refresh.
  void write(const Band& band) const;

 private:
  struct Target {
    uint16_t *high, *low;  // low is null unless the copy is split
    bool transpose;
    int64_t strip_size;
  };
  void write(const Band& band, const uint16_t* from, const Target& target, uint16_t* to) const;

  int64_t rows_, columns_;
  bool rounded_ = false, split_ = false;
  std::vector<Target> targets_;
};

}  // namespace tessera::products

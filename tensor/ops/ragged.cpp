#include "tensor/ops/ragged.h"

#include <algorithm>

namespace tessera::ops {

std::span<const int64_t> check_marks(const char* op, const char* what, const Tensor& marks) {
  check(marks.defined() && marks.dtype() == DType::i64 && marks.dim() == 1 && marks.size(0) >= 1, op, ": ", what,
        " is ", describe(marks), ", expected i64 [sequences + 1]");
  check(marks.is_contiguous(), op, ": ", what, " is not contiguous");
  const std::span<const int64_t> values(marks.data<int64_t>(), static_cast<size_t>(marks.size(0)));
  check(values.front() == 0, op, ": ", what, "[0] is ", values.front(), ", expected 0");
  for (size_t i = 1; i < values.size(); ++i)
    check(values[i] >= values[i - 1], op, ": ", what, "[", i, "] is ", values[i], ", less than ", values[i - 1],
          " before it");
  return values;
}

std::span<const int64_t> check_marks(const char* op, const char* what, const Tensor& marks, int64_t rows) {
  const std::span<const int64_t> values = check_marks(op, what, marks);
  check(values.back() == rows, op, ": ", what, " ends at ", values.back(), ", expected the number of rows, ", rows);
  return values;
}

std::vector<int64_t> matrix_offsets(std::span<const int64_t> rows, std::span<const int64_t> columns) {
  std::vector<int64_t> offsets(rows.size(), 0);
  for (size_t s = 1; s < rows.size(); ++s) {
    int64_t elements = 0;
    const bool fits = !__builtin_mul_overflow(rows[s] - rows[s - 1], columns[s] - columns[s - 1], &elements) &&
                      !__builtin_add_overflow(offsets[s - 1], elements, &offsets[s]);
    check(fits, "ragged: the matrices of ", rows.size() - 1, " samples have too many elements");
  }
  return offsets;
}

int64_t longest(std::span<const int64_t> marks) {
  int64_t most = 0;
  for (size_t i = 1; i < marks.size(); ++i) most = std::max(most, marks[i] - marks[i - 1]);
  return most;
}

}  // namespace tessera::ops

#include "tensor/ops/row_sources.h"

#include <string>

#include "tensor/ops/ragged.h"

namespace tessera::ops {
namespace {

// The position of an element of a tensor, as people write it: "[2, 5]".
std::string position_of(const Shape& shape, int64_t element) {
  Shape position = shape;
  for (int i = shape.dim() - 1; i >= 0; --i) {
    position[i] = element % shape[i];
    element /= shape[i];
  }
  return text(position);
}

}  // namespace

Tensor checked_row_index(const char* op, const Tensor& index_any, int64_t rows) {
  check(index_any.defined() && index_any.dtype() == DType::i64, op, ": index is ", describe(index_any),
        ", expected i64");
  const Tensor index = index_any.contiguous();
  const int64_t* values = index.data<int64_t>();
  for (int64_t i = 0; i < index.numel(); ++i)
    if (values[i] < 0 || values[i] >= rows) [[unlikely]]
      fail(op, ": index", position_of(index.shape(), i), " is ", values[i], ", expected 0 to ", rows - 1, " (", rows,
           " rows)");
  return index;
}

RowSources::RowSources(const char* op, std::span<const Tensor> sources) {
  check(!sources.empty(), op, ": no source");
  for (const Tensor& source : sources) {
    check(source.defined() && source.dim() == 2 && source.size(1) == sources[0].size(1) &&
              source.dtype() == sources[0].dtype(),
          op, ": source ", tables_.size(), " is ", describe(source), ", expected [rows, d] like source 0, ",
          describe(sources[0]));
    tables_.push_back(with_plain_rows(source));
    ends_.push_back((ends_.empty() ? 0 : ends_.back()) + source.size(0));
  }
}

std::vector<Tensor> RowSources::contiguous_tables() const {
  std::vector<Tensor> tables;
  for (const Tensor& table : tables_) tables.push_back(table.contiguous());
  return tables;
}

}  // namespace tessera::ops

// Several tables [rows, d] of one dtype, seen as laid one after another, and indices into them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace tessera::ops {

// `index`, contiguous: i64, every element from 0 to rows - 1. Errors name the op and the position: "index[2, 5] is 7".
Tensor checked_row_index(const char* op, const Tensor& index, int64_t rows);

class RowSources {
 public:
  RowSources(const char* op, std::span<const Tensor> sources);

  int64_t rows() const { return ends_.back(); }
  int64_t width() const { return tables_[0].size(1); }
  DType dtype() const { return tables_[0].dtype(); }
  Device device() const { return tables_[0].device(); }
  std::vector<Tensor> contiguous_tables() const;  // for a GPU

  // Finds rows; valid as long as the sources are. T is the dtype's type.
  template <class T>
  class Reader {
   public:
    explicit Reader(const RowSources& sources) : ends_(sources.ends_) {
      for (const Tensor& table : sources.tables_) tables_.push_back({table.data<T>(), table.stride(0)});
    }
    const T* operator()(int64_t row) const {
      const auto k = static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), row) - ends_.begin());
      return tables_[k].data + (row - (k > 0 ? ends_[k - 1] : 0)) * tables_[k].stride;
    }

   private:
    struct Table {
      const T* data;
      int64_t stride;
    };
    const std::vector<int64_t>& ends_;
    std::vector<Table> tables_;
  };

 private:
  std::vector<Tensor> tables_;  // the elements of each row side by side
  std::vector<int64_t> ends_;   // the number of rows up to the end of each table
};

}  // namespace tessera::ops

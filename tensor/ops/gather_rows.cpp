#include "tensor/ops/gather_rows.h"

#include <algorithm>
#include <cstring>

#include "tensor/activation.h"
#include "tensor/ops/ragged.h"
#include "tensor/parallel.h"

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

void check_index(const char* op, const Tensor& index, int64_t rows) {
  const int64_t* values = index.data<int64_t>();
  for (int64_t i = 0; i < index.numel(); ++i)
    if (values[i] < 0 || values[i] >= rows) [[unlikely]]
      fail(op, ": index", position_of(index.shape(), i), " is ", values[i], ", expected 0 to ", rows - 1, " (", rows,
           " rows)");
}

Tensor index_of(const char* op, const Tensor& index) {
  check(index.defined() && index.dtype() == DType::i64, op, ": index is ", describe(index), ", expected i64");
  return index.contiguous();
}

// Entries sorted by the row that they point to: those of row r are order[starts[r]] .. order[starts[r + 1] - 1], in
// their own order.
struct Buckets {
  std::vector<int64_t> starts, order;

  Buckets(std::span<const int64_t> index, int64_t rows)
      : starts(static_cast<size_t>(rows) + 1, 0), order(index.size()) {
    for (const int64_t row : index) ++starts[static_cast<size_t>(row) + 1];
    for (size_t r = 1; r < starts.size(); ++r) starts[r] += starts[r - 1];
    std::vector<int64_t> next(starts.begin(), starts.end() - 1);
    for (size_t e = 0; e < index.size(); ++e) {
      const size_t place = static_cast<size_t>(next[static_cast<size_t>(index[e])]++);
      order[place] = static_cast<int64_t>(e);
    }
  }
};

// target row r (r counted from `first_row` of the buckets) = or += Σ of its entries. With weights, entry e takes
// weight[e] · dout[e / taps].
template <class T, class A = Arithmetic<T>>
void sum_entries(const T* dout, int64_t width, const A* weight, int64_t taps, const Buckets& buckets, int64_t first_row,
                 RowTarget& target) {
  T* grad = target.grad.mutable_data<T>();
  constexpr int64_t kColumns = 128;
  const int64_t blocks = (width + kColumns - 1) / kColumns;
  const int64_t entries = static_cast<int64_t>(buckets.order.size());
  const int64_t per_row = (entries / std::max<int64_t>(target.rows, 1) + 1) * std::min(width, kColumns);
  parallel_for(target.rows * blocks, grain_for(per_row), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t row = item / blocks, from = item % blocks * kColumns, n = std::min(kColumns, width - from);
      T* to = grad + row * width + from;
      A sum[kColumns] = {};
      if (target.accumulate) convert_row(to, sum, n);
      const size_t r = static_cast<size_t>(first_row + row);
      for (int64_t i = buckets.starts[r]; i < buckets.starts[r + 1]; ++i) {
        const int64_t entry = buckets.order[static_cast<size_t>(i)];
        const T* source = dout + entry / taps * width + from;
        const A factor = weight ? weight[entry] : A{1};
        for (int64_t c = 0; c < n; ++c) sum[c] += factor * static_cast<A>(source[c]);
      }
      convert_row(sum, to, n);
    }
  });
}

void scatter(const char* op, const Tensor& dout_any, const Tensor& index_any, const Tensor& weight, int64_t taps,
             std::span<RowTarget> targets) {
  const Tensor dout = dout_any.contiguous(), index = index_of(op, index_any);
  const int64_t width = dout.dim() > 0 ? dout.shape().back() : 0;
  check(dout.numel() * taps == index.numel() * width, op, ": dout is ", describe(dout), " for index ", index.shape());
  int64_t rows = 0;
  for (const RowTarget& target : targets) {
    check(!target.grad.defined() || (target.grad.is_contiguous() && target.grad.shape() == Shape{target.rows, width} &&
                                     target.grad.dtype() == dout.dtype()),
          op, ": gradient is ", describe(target.grad), ", expected ", dout.dtype(), " [", target.rows, ", ", width, "]");
    rows += target.rows;
  }
  check_index(op, index, rows);
  const Buckets buckets({index.data<int64_t>(), static_cast<size_t>(index.numel())}, rows);
  dispatch_activation(op, dout.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const Arithmetic<T>* weights = weight.defined() ? weight.data<Arithmetic<T>>() : nullptr;
    int64_t first = 0;
    for (RowTarget& target : targets) {
      if (target.grad.defined())
        sum_entries(dout.data<T>(), width, weights, taps, buckets, first, target);
      first += target.rows;
    }
  });
}

}  // namespace

Tensor gather_rows(const char* op, std::span<const Tensor> sources, const Tensor& index_any) {
  check(!sources.empty(), op, ": no source");
  std::vector<Tensor> tables;
  std::vector<int64_t> ends;
  for (const Tensor& source : sources) {
    check(source.defined() && source.dim() == 2 && source.size(1) == sources[0].size(1) &&
              source.dtype() == sources[0].dtype(),
          op, ": source ", tables.size(), " is ", describe(source), ", expected [rows, d] like source 0, ",
          describe(sources[0]));
    tables.push_back(with_plain_rows(source));
    ends.push_back((ends.empty() ? 0 : ends.back()) + source.size(0));
  }
  const Tensor index = index_of(op, index_any);
  check_index(op, index, ends.back());
  const int64_t width = sources[0].size(1);
  Shape shape = index.shape();
  shape.push_back(width);
  Tensor out = Tensor::empty(shape, sources[0].dtype());
  if (out.numel() == 0) return out;
  dispatch_any(out.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* to = out.mutable_data<T>();
    const int64_t* rows = index.data<int64_t>();
    std::vector<const T*> data;
    for (const Tensor& table : tables) data.push_back(table.data<T>());
    parallel_for(index.numel(), grain_for(width), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const size_t k = static_cast<size_t>(std::upper_bound(ends.begin(), ends.end(), rows[i]) - ends.begin());
        const int64_t row = rows[i] - (k > 0 ? ends[k - 1] : 0);
        std::memcpy(to + i * width, data[k] + row * tables[k].stride(0), static_cast<size_t>(width) * sizeof(T));
      }
    });
  });
  return out;
}

Tensor interpolate_rows(const Tensor& table_any, const Tensor& index_any, const Tensor& weight_any) {
  constexpr const char* kOp = "interpolate_rows";
  check(table_any.defined() && table_any.dim() == 2, kOp, ": table is ", describe(table_any), ", expected [rows, d]");
  const Tensor table = with_plain_rows(table_any), index = index_of(kOp, index_any), weight = weight_any.contiguous();
  check(index.dim() == 2, kOp, ": index is ", describe(index), ", expected i64 [n, taps]");
  check(weight.shape() == index.shape() && weight.dtype() == table.dtype(), kOp, ": weight is ", describe(weight),
        ", expected ", table.dtype(), ' ', index.shape());
  check_index(kOp, index, table.size(0));
  const int64_t n = index.size(0), taps = index.size(1), width = table.size(1);
  Tensor out = Tensor::zeros({n, width}, table.dtype());
  dispatch_floating(kOp, table.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* to = out.mutable_data<T>();
    const int64_t* rows = index.data<int64_t>();
    const T *weights = weight.data<T>(), *data = table.data<T>();
    parallel_for(n, grain_for(width * taps), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        for (int64_t t = 0; t < taps; ++t) {
          const T factor = weights[i * taps + t];
          const T* row = data + rows[i * taps + t] * table.stride(0);
          for (int64_t c = 0; c < width; ++c) to[i * width + c] += factor * row[c];
        }
    });
  });
  return out;
}

void scatter_rows(const Tensor& dout, const Tensor& index, std::span<RowTarget> targets) {
  scatter("scatter_rows", dout, index, {}, 1, targets);
}

void scatter_weighted_rows(const Tensor& dout, const Tensor& index, const Tensor& weight, RowTarget& target) {
  scatter("scatter_rows", dout, index, weight.contiguous(), index.size(1), {&target, 1});
}

}  // namespace tessera::ops

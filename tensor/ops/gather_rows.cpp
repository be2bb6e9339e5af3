#include "tensor/ops/gather_rows.h"

#include <algorithm>
#include <cstring>

#include "tensor/activation.h"
#include "tensor/cuda/device_copy.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/gather_rows_kernels.h"
#include "tensor/ops/ragged.h"
#include "tensor/ops/row_sources.h"
#include "tensor/ops/scatter_rows_kernels.h"
#include "tensor/parallel.h"

namespace tessera::ops {
namespace {

constexpr int64_t kLongestBlock = DropoutMask::kSegment;

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

// target row r (r counted from `first_row` of the buckets) = or += Σ of its entries, at most `columns` of a row at
// once: add_entry(entry, from, n, sum) adds columns [from, from + n) of an entry's term to sum.
template <class To, class A = Arithmetic<To>, class F>
void sum_entries(F add_entry, int64_t width, int64_t columns, const Buckets& buckets, int64_t first_row,
                 RowTarget& target) {
  To* grad = target.grad.mutable_data<To>();
  const int64_t blocks = (width + columns - 1) / columns;
  const int64_t entries = static_cast<int64_t>(buckets.order.size());
  const int64_t per_row = (entries / std::max<int64_t>(target.rows, 1) + 1) * std::min(width, columns);
  parallel_for(target.rows * blocks, grain_for(per_row), [&](int64_t begin, int64_t end) {
    A sum[kLongestBlock];
    for (int64_t item = begin; item < end; ++item) {
      const int64_t row = item / blocks, from = item % blocks * columns, n = std::min(columns, width - from);
      To* to = grad + row * width + from;
      const size_t r = static_cast<size_t>(first_row + row);
      if (target.accumulate && buckets.starts[r] == buckets.starts[r + 1]) continue;
      if (target.accumulate)
        convert_row(to, sum, n);
      else
        std::fill(sum, sum + n, A{0});
      for (int64_t i = buckets.starts[r]; i < buckets.starts[r + 1]; ++i)
        add_entry(buckets.order[static_cast<size_t>(i)], from, n, sum);
      convert_row(sum, to, n);
    }
  });
}

// Entry e: weight[e] · dout[e / taps]; without weights dout[e], taps being 1.
template <class T, class A = Arithmetic<T>>
auto weighted_entries(const T* dout, int64_t width, const A* weight, int64_t taps) {
  return [=](int64_t entry, int64_t from, int64_t n, A* sum) {
    const T* source = dout + entry / taps * width + from;
    const A factor = weight ? weight[entry] : A{1};
    for (int64_t c = 0; c < n; ++c) sum[c] += factor * static_cast<A>(source[c]);
  };
}

// Entry e: the gradient of dropout's input, whose elements e · width + c are masked.
template <class T, class A = Arithmetic<T>>
auto dropped_entries(const T* dout, int64_t width, const DropoutMask& mask) {
  return [=, &mask, scale = static_cast<A>(mask.scale()), last_dropped = mask.last_dropped()](
             int64_t entry, int64_t from, int64_t n, A* sum) {
    DropoutMask::Buffer buffer;
    const uint32_t* words = mask.words(entry * width + from, n, buffer);
    const T* source = dout + entry * width + from;
    for (int64_t c = 0; c < n; ++c) sum[c] += kept_or_zero(static_cast<A>(source[c]) * scale, words[c] > last_dropped);
  };
}

// Checks, and returns the number of rows of all targets.
int64_t check_targets(const char* op, const Tensor& dout, const Tensor& index, int64_t taps,
                      std::span<const RowTarget> targets) {
  const int64_t width = dout.dim() > 0 ? dout.shape().back() : 0;
  check(dout.numel() * taps == index.numel() * width, op, ": dout is ", describe(dout), " for index ", index.shape());
  int64_t rows = 0;
  for (const RowTarget& target : targets) {
    const Tensor& grad = target.grad;
    check(!grad.defined() || (grad.is_contiguous() && grad.shape() == Shape{target.rows, width} &&
                              (grad.dtype() == dout.dtype() || grad.dtype() == arithmetic_dtype(dout.dtype()))),
          op, ": gradient is ", describe(grad), ", expected ", dout.dtype(), " [", target.rows, ", ", width, "]");
    rows += target.rows;
  }
  return rows;
}

// Calls body(tag of dout, tag of the gradient) for f32 or f64, or bf16 with a gradient of bf16 or f32.
template <class Body>
void dispatch_gradient(const char* op, DType dout, DType gradient, Body body) {
  dispatch_activation(op, dout, [&](auto from) {
    using T = decltype(from);
    if (gradient == dout)
      body(from, T{});
    else
      body(from, Arithmetic<T>{});
  });
}

// Checks, and sorts the entries; then calls body(tag of dout, tag of the gradients, buckets, first row, target) for
// every gradient that is wanted.
template <class Body>
void for_each_target(const char* op, const Tensor& dout, const Tensor& index_any, int64_t taps,
                     std::span<RowTarget> targets, Body body) {
  const int64_t rows = check_targets(op, dout, index_any, taps, targets);
  const Tensor index = checked_row_index(op, index_any, rows);
  const Buckets buckets({index.data<int64_t>(), static_cast<size_t>(index.numel())}, rows);
  int64_t first = 0;
  for (RowTarget& target : targets) {
    if (target.grad.defined())
      dispatch_gradient(op, dout.dtype(), target.grad.dtype(),
                        [&](auto from, auto to) { body(from, to, buckets, first, target); });
    first += target.rows;
  }
}

// The same on a GPU. weight may be undefined.
void scatter_on_device(const char* op, const Tensor& dout, const Tensor& index_any, const Tensor& weight, int64_t taps,
                       const DropoutMask& mask, std::span<RowTarget> targets) {
  const int64_t rows = check_targets(op, dout, index_any, taps, targets), width = dout.shape().back();
  const Tensor index = checked_row_index(op, index_any, rows);
  cuda::SegmentsOnDevice sorted = cuda::segments_on_device(index, rows);
  const Tensor weights = weight.defined() ? cuda::on_device(weight) : weight;
  Tensor workspace = Tensor::empty({sorted.segments.piece_count, width}, DType::f32, dout.device());
  for (RowTarget& target : targets) {
    if (target.grad.defined())
      dispatch_gradient(op, dout.dtype(), target.grad.dtype(), [&](auto from, auto to) {
        using T = decltype(from);
        using G = decltype(to);
        if constexpr (std::is_same_v<T, double>)
          fail(op, ": dout is ", describe(dout), ", expected f32 or bf16 on a GPU");
        else
          cuda::scatter_rows<T, G>(dout.device_data<T>(), sorted.segments, cuda::data_or_null<float>(weights), taps,
                                   target.grad.mutable_device_data<G>(), workspace.mutable_device_data<float>(),
                                   target.rows, width, target.accumulate, mask.p(), mask.ticket());
      });
    sorted.segments.first_row += target.rows;
  }
}

void scatter(const char* op, const Tensor& dout_any, const Tensor& index, const Tensor& weight, int64_t taps,
             std::span<RowTarget> targets) {
  const Tensor dout = dout_any.contiguous();
  if constexpr (kHasCuda)
    if (dout.on_cuda()) return scatter_on_device(op, dout, index, weight, taps, DropoutMask(op, 0, {}), targets);
  for_each_target(op, dout, index, taps, targets,
                  [&](auto from, auto to, const Buckets& buckets, int64_t first, RowTarget& target) {
                    using T = decltype(from);
                    const auto* weights = weight.defined() ? weight.data<Arithmetic<T>>() : nullptr;
                    const int64_t width = dout.shape().back();
                    const int64_t columns = target.rows < 16 ? 32 : 128;  // the threads share the rows of a small table
                    sum_entries<decltype(to)>(weighted_entries(dout.data<T>(), width, weights, taps), width, columns,
                                              buckets, first, target);
                  });
}

}  // namespace

Tensor gather_rows(const char* op, std::span<const Tensor> tables_any, const Tensor& index_any) {
  const RowSources sources(op, tables_any);
  const Tensor index = checked_row_index(op, index_any, sources.rows());
  const int64_t width = sources.width();
  Shape shape = index.shape();
  shape.push_back(width);
  Tensor out = Tensor::empty(shape, sources.dtype(), sources.device());
  if (out.numel() == 0) return out;
  if constexpr (kHasCuda)
    if (out.on_cuda()) {
      const Tensor rows = cuda::on_device(index);
      const std::vector<Tensor> tables = sources.contiguous_tables();
      cuda::dispatch_device(op, out.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::gather_rows(cuda::row_tables<T>(op, tables), rows.device_data<int64_t>(), out.mutable_device_data<T>(),
                          index.numel(), width);
      });
      return out;
    }
  dispatch_any(out.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* to = out.mutable_data<T>();
    const int64_t* rows = index.data<int64_t>();
    const RowSources::Reader<T> row_of(sources);
    parallel_for(index.numel(), grain_for(width), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        std::memcpy(to + i * width, row_of(rows[i]), static_cast<size_t>(width) * sizeof(T));
    });
  });
  return out;
}

Tensor interpolate_rows(const Tensor& table_any, const Tensor& index_any, const Tensor& weight_any) {
  constexpr const char* kGatherRowsOp = "interpolate_rows";
  check(table_any.defined() && table_any.dim() == 2, kGatherRowsOp, ": table is ", describe(table_any),
        ", expected [rows, d]");
  const Tensor table = with_plain_rows(table_any), weight = weight_any.contiguous();
  const Tensor index = checked_row_index(kGatherRowsOp, index_any, table.size(0));
  check(index.dim() == 2, kGatherRowsOp, ": index is ", describe(index), ", expected i64 [n, taps]");
  check(weight.shape() == index.shape() && weight.dtype() == table.dtype(), kGatherRowsOp, ": weight is ",
        describe(weight), ", expected ", table.dtype(), ' ', index.shape());
  const int64_t n = index.size(0), taps = index.size(1), width = table.size(1);
  if constexpr (kHasCuda)
    if (table.on_cuda()) {
      const Tensor from = table.contiguous(), rows = cuda::on_device(index), weights = cuda::on_device(weight);
      Tensor out = Tensor::empty({n, width}, table.dtype(), table.device());
      cuda::interpolate_rows(from.device_data<float>(), rows.device_data<int64_t>(), weights.device_data<float>(),
                             out.mutable_device_data<float>(), n, taps, width);
      return out;
    }
  Tensor out = Tensor::zeros({n, width}, table.dtype());
  dispatch_floating(kGatherRowsOp, table.dtype(), [&](auto tag) {
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

void scatter_dropped_rows(const Tensor& dout_any, const Tensor& index, const DropoutMask& mask,
                          std::span<RowTarget> targets) {
  if (!mask.drops()) return scatter_rows(dout_any, index, targets);
  const Tensor dout = dout_any.contiguous();
  if constexpr (kHasCuda)
    if (dout.on_cuda()) return scatter_on_device("scatter_rows", dout, index, {}, 1, mask, targets);
  for_each_target("scatter_rows", dout, index, 1, targets,
                  [&](auto from, auto to, const Buckets& buckets, int64_t first, RowTarget& target) {
                    const int64_t width = dout.shape().back();
                    sum_entries<decltype(to)>(dropped_entries(dout.data<decltype(from)>(), width, mask), width,
                                              kLongestBlock, buckets, first, target);
                  });
}

void scatter_weighted_rows(const Tensor& dout, const Tensor& index, const Tensor& weight, RowTarget& target) {
  scatter("scatter_rows", dout, index, weight.contiguous(), index.size(1), {&target, 1});
}

}  // namespace tessera::ops

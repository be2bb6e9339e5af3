#include "tensor/ops/embed_tokens.h"

#include <algorithm>

#include "tensor/activation.h"
#include "tensor/cuda/device_copy.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/embed_tokens_kernels.h"
#include "tensor/ops/ragged.h"
#include "tensor/ops/row_sources.h"
#include "tensor/ops/scatter_rows_kernels.h"
#include "tensor/parallel.h"

namespace tessera::ops {
namespace {

constexpr const char* kEmbedTokensOp = "embed_tokens";

// x, type, y [n]: y = x / (1 - p) + type where the mask keeps x, else type.
template <class T, class Y>
void embed_dropped(const T* x, const T* type, const uint32_t* words, uint32_t last_dropped, T scale, Y* y, int64_t n) {
  for (int64_t c = 0; c < n; ++c) {
    const T kept = kept_or_zero(x[c] * scale, words[c] > last_dropped);
    y[c] = static_cast<Y>(kept + type[c]);
  }
}

template <class T, class Y>
void embed_row(const T* x, const T* type, Y* y, int64_t n) {
  for (int64_t c = 0; c < n; ++c) y[c] = static_cast<Y>(x[c] + type[c]);
}

template <class T, class Y>
void embed(const RowSources& sources, const int64_t* index, const Tensor& type_table, const int64_t* types,
           const DropoutMask& mask, Y* y, int64_t tokens) {
  const int64_t width = sources.width();
  const T* type_rows = type_table.data<T>();
  const RowSources::Reader<T> row_of(sources);
  parallel_for(tokens, grain_for(width), [&](int64_t begin, int64_t end) {
    MaskRows words(mask);
    for (int64_t i = begin; i < end; ++i) {
      const T *row = row_of(index[i]), *type = type_rows + types[i] * type_table.stride(0);
      if (!mask.drops()) {
        embed_row(row, type, y + i * width, width);
        continue;
      }
      for (int64_t from = 0; from < width; from += DropoutMask::kSegment) {
        const int64_t n = std::min(DropoutMask::kSegment, width - from), first = i * width + from;
        embed_dropped(row + from, type + from, words.words(first, n), mask.last_dropped(), static_cast<T>(mask.scale()),
                      y + first, n);
      }
    }
  });
}

void embed_on_device(const RowSources& sources, const Tensor& index, const Tensor& type_table, const Tensor& types,
                     const DropoutMask& mask, Tensor& out) {
  const std::vector<Tensor> tables = sources.contiguous_tables();
  const cuda::RowTables<float> rows = cuda::row_tables<float>(kEmbedTokensOp, tables);
  const Tensor where = cuda::on_device(index), type = cuda::on_device(types);
  cuda::dispatch_device(kEmbedTokensOp, out.dtype(), [&](auto tag) {
    using Y = decltype(tag);
    cuda::embed_tokens(rows, where.device_data<int64_t>(), type_table.device_data<float>(), type.device_data<int64_t>(),
                       out.mutable_device_data<Y>(), index.numel(), sources.width(), mask.p(), mask.ticket());
  });
}

}  // namespace

Tensor embed_tokens(std::span<const Tensor> tables, const Tensor& index_any, const Tensor& type_table_any,
                    const Tensor& types_any, double p, const Ticket& ticket, DType dtype) {
  const RowSources sources(kEmbedTokensOp, tables);
  const Tensor index = checked_row_index(kEmbedTokensOp, index_any, sources.rows());
  check(index.dim() == 1, kEmbedTokensOp, ": index is ", describe(index), ", expected i64 [n]");
  check(type_table_any.defined() && type_table_any.dim() == 2 && type_table_any.size(1) == sources.width() &&
            type_table_any.dtype() == sources.dtype(),
        kEmbedTokensOp, ": type_table is ", describe(type_table_any), ", expected ", sources.dtype(), " [types, ",
        sources.width(), "]");
  const Tensor type_table = with_plain_rows(type_table_any);
  check(types_any.defined() && types_any.shape() == index.shape(), kEmbedTokensOp, ": types are ", describe(types_any),
        ", expected i64 ", index.shape());
  const Tensor types = checked_row_index("embed_tokens: types", types_any, type_table.size(0));
  check(dtype == sources.dtype() || (dtype == DType::bf16 && sources.dtype() == DType::f32), kEmbedTokensOp,
        ": dtype is ", dtype, ", expected ", sources.dtype(), sources.dtype() == DType::f32 ? " or bf16" : "");
  const DropoutMask mask(kEmbedTokensOp, p, ticket);
  Tensor out = Tensor::empty({index.numel(), sources.width()}, dtype, sources.device());
  if (out.numel() == 0) return out;
  if constexpr (kHasCuda)
    if (out.on_cuda()) {
      embed_on_device(sources, index, type_table.contiguous(), types, mask, out);
      return out;
    }
  dispatch_floating(kEmbedTokensOp, sources.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const auto run = [&](auto to) {
      using Y = decltype(to);
      embed<T>(sources, index.data<int64_t>(), type_table, types.data<int64_t>(), mask, out.mutable_data<Y>(),
               index.numel());
    };
    if constexpr (std::is_same_v<T, float>)
      if (dtype == DType::bf16) return run(bf16{});
    run(T{});
  });
  return out;
}

void embed_tokens_backward(const Tensor& dy, const Tensor& index, const Tensor& types, double p, const Ticket& ticket,
                           std::span<RowTarget> sources, RowTarget& type_table) {
  scatter_dropped_rows(dy, index, DropoutMask(kEmbedTokensOp, p, ticket), sources);
  if (type_table.grad.defined()) scatter_rows(dy, types, {&type_table, 1});
}

}  // namespace tessera::ops

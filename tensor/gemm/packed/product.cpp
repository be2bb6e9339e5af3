#include "tensor/gemm/packed/product.h"

#include <algorithm>
#include <cstring>

#include "tensor/gemm/packed/kernel_choice.h"
#include "tensor/gemm/packed/pack_right.h"
#include "tensor/gemm/packed/product_plan.h"
#include "tensor/parallel.h"
#include "tensor/simd/lanes.h"

namespace tessera {
namespace {

using namespace products;

void check_product(const Product& p) {
  check(p.m >= 0 && p.n >= 0 && p.k >= 0, "multiply: negative size in m ", p.m, ", n ", p.n, ", k ", p.k);
  const bool split = p.form == PackedForm::split;
  const auto check_operand = [&](const char* name, DType dtype) {
    check(split ? dtype == DType::f32 : dtype == DType::f32 || dtype == DType::bf16, "multiply: ", name, " operand is ",
          dtype, ", expected ", split ? "f32 to be split" : "bf16 or f32");
  };
  check_operand("left", p.left.dtype);
  check(!p.c || p.c_dtype == DType::f32 || p.c_dtype == DType::bf16, "multiply: C is ", p.c_dtype,
        ", expected f32 or bf16");
  if (!p.packed_right) return check_operand("right", p.right.dtype);
  const PackedMatrix& right = *p.packed_right;
  check(right.defined() && right.k() == p.k && right.n() == p.n, "multiply: packed operand is [", right.k(), ", ",
        right.n(), "], expected [", p.k, ", ", p.n, "]");
  check(right.form() == p.form, "multiply: packed operand is ", split ? "not " : "", "split, the product is ",
        split ? "" : "not");
}

Source left_source(const Product& p) {
  return {.data = p.left.data,
          .is_f32 = p.left.dtype == DType::f32,
          .vectors = p.m,
          .depth = p.k,
          .stride = p.left.ld,
          .across = p.left.transpose};
}
Source right_source(const Product& p) {
  return {.data = p.right.data,
          .is_f32 = p.right.dtype == DType::f32,
          .vectors = p.n,
          .depth = p.k,
          .stride = p.right.ld,
          .across = !p.right.transpose};
}

// The packed right operand: the caller's, or a copy of our own.
struct Right {
  Tensor memory;
  const uint16_t *high = nullptr, *low = nullptr;
  int64_t stride = 0;  // from strip to strip

  explicit Right(const Product& p) : stride(padded_depth(p.k) * kStrip) {
    const bool split = p.form == PackedForm::split;
    if (p.packed_right) {
      high = p.packed_right->data();
      low = split ? high + p.packed_right->low_offset() : nullptr;
      return;
    }
    const int64_t size = strips_of(p.n) * stride;
    memory = Tensor::empty({split ? 2 * size : size}, DType::bf16);
    auto* to = reinterpret_cast<uint16_t*>(memory.mutable_data<bf16>());
    pack_right(right_source(p), to, split ? to + size : nullptr);
    high = to;
    low = split ? to + size : nullptr;
  }
};

// One chunk of C: rows [row_begin, row_end), columns [column_begin, column_end), on one thread.
//
// k is cut into slabs, for each of which the chunk's rows are packed once (they stay in the second-level cache) unless
// the kernel takes them as they lie, and a slab into blocks. The innermost loops multiply a panel of right strips (in
// the first-level cache) by all left strips of a block. If one slab is all, the sums of a group of columns are
// finished, and handed on, before the next group begins; else the sums of the whole chunk wait for the last slab.
class Chunk {
 public:
  Chunk(const Product& product, const ProductPlan& plan, const Right& right, const GemmTile& tile,
        detail::ProductEpilogue epilogue, void* context)
      : p_(product),
        plan_(plan),
        right_(right),
        tile_(tile),
        epilogue_(epilogue),
        context_(context),
        kernels_(kernels()) {
    rows_ = strips_of(tile.row_end - tile.row_begin);
    const int64_t columns = strips_of(tile.column_end - tile.column_begin) * kStrip;
    one_slab_ = p_.k <= plan.slab;
    ld_ = one_slab_ ? std::min(columns, plan.group) : columns;
    direct_ = kernels_.multiply_pairs && p_.left.dtype == DType::bf16 && !p_.left.transpose && p_.k % 2 == 0;
    const bool wide = kernels_.left_layout == LeftLayout::wide;
    element_ = wide ? 4 : 2;
    left_part_ = rows_ * kStrip * std::min(padded_depth(p_.k), plan.slab) * element_;
    if (direct_) left_part_ = 0;
    left_memory_ = Tensor::empty({p_.form == PackedForm::split ? 2 * left_part_ : left_part_}, DType::u8);
    sums_memory_ = Tensor::empty({rows_ * kStrip, ld_}, DType::f32);
    left_ = reinterpret_cast<char*>(left_memory_.mutable_data<uint8_t>());
    sums_ = sums_memory_.mutable_data<float>();
  }

  void run() {
    if (kernels_.begin) kernels_.begin();
    // k = 0 has one slab without blocks.
    for (int64_t begin = 0; begin == 0 || begin < p_.k; begin += plan_.slab) {
      const int64_t end = std::min(p_.k, begin + plan_.slab);
      if (!direct_) pack_left(begin, end);
      for (int64_t column = tile_.column_begin; column < tile_.column_end; column += plan_.group) {
        const int64_t last = std::min(tile_.column_end, column + plan_.group);
        float* sums = one_slab_ ? sums_ : sums_ + (column - tile_.column_begin);
        multiply_group(begin, end, column, last, sums);
        if (end == p_.k) finish({tile_.row_begin, tile_.row_end, column, last}, sums);
      }
    }
    if (kernels_.end) kernels_.end();
  }

 private:
  void pack_left(int64_t begin, int64_t end) {
    const Source source = left_source(p_);
    const bool split = p_.form == PackedForm::split;
    left_stride_ = padded_depth(end - begin) * kStrip * element_;
    const int64_t first = tile_.row_begin / kStrip;
    pack_strips(kernels_, kernels_.left_layout, source, {first, first + rows_}, begin, end,
                {left_, split ? left_ + left_part_ : nullptr, left_stride_});
  }

  void multiply_group(int64_t begin, int64_t end, int64_t column, int64_t last, float* sums) {
    const int64_t strips = strips_of(last - column);
    const int64_t depth_end = (end + kernels_.depth_unit - 1) / kernels_.depth_unit * kernels_.depth_unit;
    for (int64_t strip = 0; strip < strips; strip += kernels_.right_strips) {
      const int64_t count = std::min(kernels_.right_strips, strips - strip);
      const int64_t at = (column / kStrip + strip) * right_.stride;
      for (int64_t block = begin; block < end; block += plan_.block)
        if (direct_)
          multiply_rows(block, std::min(plan_.block, end - block), right_.high + at + block * kStrip, count,
                        sums + strip * kStrip);
        else
          multiply_panel(block - begin, std::min(plan_.block, depth_end - block), right_.high + at + block * kStrip,
                         right_.low + (right_.low ? at + block * kStrip : 0), count, sums + strip * kStrip, block > 0);
    }
    if (p_.k == 0)
      for (int64_t i = 0; i < rows_ * kStrip; ++i) std::fill(sums + i * ld_, sums + i * ld_ + strips * kStrip, 0.0f);
  }

  // All rows of the chunk, as they lie in memory.
  void multiply_rows(int64_t position, int64_t depth, const uint16_t* right, int64_t count, float* sums) {
    const uint16_t* left = static_cast<const uint16_t*>(p_.left.data) + tile_.row_begin * p_.left.ld + position;
    kernels_.multiply_pairs({.left = left,
                             .left_row = p_.left.ld,
                             .left_pair = 2,
                             .right = right,
                             .right_stride = right_.stride,
                             .rows = tile_.row_end - tile_.row_begin,
                             .right_strips = count,
                             .depth = depth,
                             .sums = sums,
                             .ld = ld_,
                             .add = position > 0,
                             .in_order = true});
  }

  // `position` is within the packed slab.
  void multiply_panel(int64_t position, int64_t depth, const uint16_t* high, const uint16_t* low, int64_t count,
                      float* sums, bool add) {
    for (int64_t row = 0; row < rows_; row += kernels_.left_strips) {
      const char* left = left_ + row * left_stride_ + position * kStrip * element_;
      KernelCall call{.left = left,
                      .left_stride = left_stride_,
                      .right = high,
                      .right_stride = right_.stride,
                      .left_strips = std::min(kernels_.left_strips, rows_ - row),
                      .right_strips = count,
                      .depth = depth,
                      .sums = sums + row * kStrip * ld_,
                      .ld = ld_,
                      .add = add};
      kernels_.multiply(call);
      if (!low) continue;
      call.add = true;
      call.right = low;
      kernels_.multiply(call);
      call.left = left + left_part_;
      call.right = high;
      kernels_.multiply(call);
    }
  }

  void finish(const GemmTile& tile, float* sums) {
    if (p_.c && p_.accumulate) transfer(tile, sums, [](float& sum, auto& old) { sum += static_cast<float>(old); });
    if (epilogue_) epilogue_(context_, {tile, sums, ld_});
    if (p_.c && p_.c_dtype == DType::bf16)
      store_rounded(tile, sums);
    else if (p_.c)
      transfer(tile, sums,
               [](const float& sum, auto& place) { place = std::remove_reference_t<decltype(place)>(sum); });
  }

  void store_rounded(const GemmTile& tile, const float* sums) {
    using Lanes = simd::Bf16Lanes<16>;
    const int64_t columns = tile.column_end - tile.column_begin, whole = columns / 16 * 16;
    for (int64_t i = tile.row_begin; i < tile.row_end; ++i) {
      const float* from = sums + (i - tile.row_begin) * ld_;
      bf16* to = static_cast<bf16*>(p_.c) + i * p_.ldc + tile.column_begin;
      for (int64_t j = 0; j < whole; j += 16) {
        Lanes::Floats values;
        std::memcpy(&values, from + j, sizeof values);
        Lanes::store(to + j, values);
      }
      for (int64_t j = whole; j < columns; ++j) to[j] = bf16(from[j]);
    }
  }

  // f(value, its place in C) for every element of the tile.
  template <class F>
  void transfer(const GemmTile& tile, float* sums, F&& f) {
    const auto rows = [&](auto* c) {
      const int64_t columns = tile.column_end - tile.column_begin;
      for (int64_t i = tile.row_begin; i < tile.row_end; ++i) {
        float* __restrict from = sums + (i - tile.row_begin) * ld_;
        auto* __restrict to = c + i * p_.ldc + tile.column_begin;
        for (int64_t j = 0; j < columns; ++j) f(from[j], to[j]);
      }
    };
    if (p_.c_dtype == DType::f32)
      rows(static_cast<float*>(p_.c));
    else
      rows(static_cast<bf16*>(p_.c));
  }

  const Product& p_;
  const ProductPlan& plan_;
  const Right& right_;
  const GemmTile tile_;
  const detail::ProductEpilogue epilogue_;
  void* const context_;
  const Kernels& kernels_;
  Tensor left_memory_, sums_memory_;
  char* left_ = nullptr;
  float* sums_ = nullptr;
  bool one_slab_ = true, direct_ = false;  // direct: rows of bf16 are multiplied as they lie, nothing is packed
  int64_t rows_ = 0, ld_ = 0, element_ = 2, left_part_ = 0, left_stride_ = 0;
};

}  // namespace

void detail::multiply(const Product& p, ProductEpilogue epilogue, void* context) {
  check_product(p);
  if (p.m == 0 || p.n == 0) return;
  const Right right(p);
  const ProductPlan plan = plan_product(p.m, p.n, p.k, kernels());
  const int64_t columns = (p.n + plan.columns - 1) / plan.columns;
  parallel_chunks((p.m + plan.rows - 1) / plan.rows * columns, [&](int64_t chunk) {
    const int64_t row = chunk / columns * plan.rows, column = chunk % columns * plan.columns;
    Chunk(p, plan, right, {row, std::min(p.m, row + plan.rows), column, std::min(p.n, column + plan.columns)}, epilogue,
          context)
        .run();
  });
}

void multiply_batched(const Product& product, int64_t count, const int64_t* offset_left, const int64_t* offset_right) {
  check(count >= 0, "multiply_batched: count is ", count);
  const auto item = [&](int64_t i) {
    Product p = product;
    const auto moved = [](const ProductOperand& operand, int64_t elements) {
      return static_cast<const char*>(operand.data) + elements * size_of(operand.dtype);
    };
    p.left.data = moved(p.left, offset_left[i]);
    if (!p.packed_right) p.right.data = moved(p.right, offset_right[i]);
    if (p.c) p.c = static_cast<char*>(p.c) + i * p.m * p.ldc * size_of(p.c_dtype);
    multiply(p);
  };
  // Many small items are spread over the threads, each whole (a nested loop runs on its own thread); large ones are
  // cut.
  constexpr double kLarge = 64e6;
  const double work = static_cast<double>(product.m) * static_cast<double>(product.n) * static_cast<double>(product.k);
  if (work >= kLarge || count < 4) {
    for (int64_t i = 0; i < count; ++i) item(i);
    return;
  }
  parallel_for(count, std::max<int64_t>(1, static_cast<int64_t>(4e6 / (work + 1e4))), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) item(i);
  });
}

}  // namespace tessera

// Tensor::copy_ and fill_ on the GPU. Elements of one type are moved as words, the widest that sizes, strides and
// addresses allow (16 bytes); a converting copy reads and writes n at once, the wider side 16 bytes.
#include <cstring>

#include "tensor/copy_kernels.h"
#include "tensor/cuda/memory.h"
#include "tensor/cuda/strided.h"

namespace tessera::cuda {
namespace {

template <class To, class From>
__device__ __forceinline__ To converted(From value) {
  if constexpr (std::is_same_v<From, bf16>)
    return converted<To>(simt::to_float(value));
  else if constexpr (std::is_same_v<To, bf16>)
    return simt::from_float<bf16>(static_cast<float>(value));
  else
    return static_cast<To>(value);
}

template <int n, class To, class From>
__global__ void __launch_bounds__(kStridedThreads) convert_kernel(Walk<2> walk, To* to, const From* from) {
  const unsigned unit = strided_unit();
  if (unit >= walk.units) return;
  int64_t at[2];
  walk.find(unit, at);
  const Elements<From, n> source = load_elements<n>(from + at[1], walk.inner[1]);
  Elements<To, n> result;
  for (int i = 0; i < n; ++i) result.value[i] = converted<To>(source.value[i]);
  store_elements<n>(to + at[0], result);
}

template <class Word>
__global__ void __launch_bounds__(kStridedThreads) move_kernel(Walk<2> walk, Word* to, const Word* from) {
  const unsigned unit = strided_unit();
  if (unit >= walk.units) return;
  int64_t at[2];
  walk.find(unit, at);
  to[at[0]] = from[at[1]];
}

template <class Word>
__global__ void __launch_bounds__(kStridedThreads) fill_kernel(Walk<1> walk, Word* to, Word value) {
  const unsigned unit = strided_unit();
  if (unit >= walk.units) return;
  int64_t at[1];
  walk.find(unit, at);
  to[at[0]] = value;
}

// Calls f(Word{}) with the widest word of which all arrays, of elements of `element` bytes, are made.
template <int arrays, class F>
void with_widest_word(const Layout<arrays>& layout, int64_t element, const std::array<const void*, arrays>& first,
                      F f) {
  const auto made_of = [&](int64_t word) {
    const auto n = static_cast<int>(word / element);
    bool fits = n >= 1;
    for (int a = 0; a < arrays && fits && n > 1; ++a)
      fits = layout.stride(layout.dims - 1, a) == 1 &&
             layout.in_packs(n, a, static_cast<const uint8_t*>(first[static_cast<size_t>(a)])) &&
             reinterpret_cast<uintptr_t>(first[static_cast<size_t>(a)]) % static_cast<uintptr_t>(word) == 0;
    return fits;
  };
  if (made_of(16)) return f(uint4{});
  if (made_of(8)) return f(uint64_t{});
  if (made_of(4)) return f(uint32_t{});
  if (made_of(2)) return f(uint16_t{});
  f(uint8_t{});
}

// A layout in words of n elements.
template <int arrays>
Layout<arrays> in_words(Layout<arrays> layout, int64_t n) {
  const auto last = static_cast<size_t>(layout.dims - 1);
  layout.sizes[last] /= n;
  for (size_t d = 0; d < last; ++d)
    for (int64_t& stride : layout.strides[d]) stride /= n;
  return layout;
}

void move(const Layout<2>& layout, int64_t element, uint8_t* to, const uint8_t* from) {
  with_widest_word<2>(layout, element, {to, from}, [&](auto tag) {
    using Word = decltype(tag);
    const Walk<2> walk(in_words(layout, static_cast<int64_t>(sizeof(Word)) / element), 1);
    simt::launch<move_kernel<Word>>(walk.blocks(), kStridedThreads, 0, walk, reinterpret_cast<Word*>(to),
                                    reinterpret_cast<const Word*>(from));
  });
}

template <class To, class From>
void convert(const Layout<2>& whole, To* to, const From* from) {
  constexpr int kMost = 16 / static_cast<int>(std::max(sizeof(To), sizeof(From)));
  whole.for_each_part([&](const Layout<2>& part, const Layout<2>::Offsets& first) {
    To* t = to + first[0];
    const From* f = from + first[1];
    const auto launch = [&](auto n) {
      const Walk<2> walk(part, n);
      simt::launch<convert_kernel<decltype(n)::value, To, From>>(walk.blocks(), kStridedThreads, 0, walk, t, f);
    };
    if (part.stride(part.dims - 1, 0) == 1 && part.in_packs(kMost, 0, t) && part.in_packs(kMost, 1, f))
      launch(std::integral_constant<int, kMost>{});
    else
      launch(std::integral_constant<int, 1>{});
  });
}

// The bits of an element of T, repeated over 64.
template <class T>
uint64_t repeated_bits(double value) {
  T element;
  if constexpr (std::is_same_v<T, bf16>)
    element = bf16(static_cast<float>(value));
  else
    element = static_cast<T>(value);
  uint64_t bits = 0;
  for (size_t at = 0; at < sizeof bits; at += sizeof(T))
    std::memcpy(reinterpret_cast<uint8_t*>(&bits) + at, &element, sizeof(T));
  return bits;
}

template <class Word>
Word word_of(uint64_t bits) {
  if constexpr (std::is_same_v<Word, uint4>) {
    const auto low = static_cast<unsigned>(bits), high = static_cast<unsigned>(bits >> 32);
    return make_uint4(low, high, low, high);
  } else {
    return static_cast<Word>(bits);
  }
}

}  // namespace

void copy_strided(void* to, DType to_dtype, const Shape& to_strides, const void* from, DType from_dtype,
                  const Shape& from_strides, const Shape& shape) {
  if (shape.numel() == 0) return;
  const Layout<2> layout(shape, {to_strides, from_strides});
  if (to_dtype != from_dtype) {
    dispatch_any(to_dtype, [&](auto to_tag) {
      dispatch_any(from_dtype, [&](auto from_tag) {
        using To = decltype(to_tag);
        using From = decltype(from_tag);
        if constexpr (!std::is_same_v<To, From>) convert(layout, static_cast<To*>(to), static_cast<const From*>(from));
      });
    });
    return;
  }
  const int64_t element = size_of(to_dtype);
  if (layout.dims == 1 && layout.stride(0, 0) == 1 && layout.stride(0, 1) == 1) {
    copy_on_device(to, from, layout.count() * element);
    return;
  }
  layout.for_each_part([&](const Layout<2>& part, const Layout<2>::Offsets& first) {
    move(part, element, static_cast<uint8_t*>(to) + first[0] * element,
         static_cast<const uint8_t*>(from) + first[1] * element);
  });
}

void fill_strided(void* to, DType dtype, const Shape& strides, const Shape& shape, double value) {
  if (shape.numel() == 0) return;
  const uint64_t bits = dispatch_any(dtype, [&](auto tag) { return repeated_bits<decltype(tag)>(value); });
  const int64_t element = size_of(dtype);
  const Layout<1> layout(shape, {strides});
  if (bits == 0 && layout.dims == 1 && layout.stride(0, 0) == 1) {
    clear(to, layout.count() * element);
    return;
  }
  layout.for_each_part([&](const Layout<1>& part, const Layout<1>::Offsets& first) {
    uint8_t* begin = static_cast<uint8_t*>(to) + first[0] * element;
    with_widest_word<1>(part, element, {begin}, [&](auto tag) {
      using Word = decltype(tag);
      const Walk<1> walk(in_words(part, static_cast<int64_t>(sizeof(Word)) / element), 1);
      simt::launch<fill_kernel<Word>>(walk.blocks(), kStridedThreads, 0, walk, reinterpret_cast<Word*>(begin),
                                      word_of<Word>(bits));
    });
  });
}

}  // namespace tessera::cuda

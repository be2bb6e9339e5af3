// Copies and fills of Tensor (tensor/tensor.h), between any strides, dtypes and devices; the GPU's side is copy.cu.
#include <algorithm>
#include <cstring>

#include "tensor/copy_kernels.h"
#include "tensor/cuda/has_cuda.h"
#include "tensor/cuda/memory.h"
#include "tensor/parallel.h"
#include "tensor/tensor.h"

namespace tessera {
namespace {

template <class To, class From>
To convert(From value) {
  if constexpr (std::is_same_v<From, bf16>)
    return convert<To>(static_cast<float>(value));
  else if constexpr (std::is_same_v<To, bf16>)
    return bf16(static_cast<float>(value));
  else
    return static_cast<To>(value);
}

// A run of elements without gaps.
template <class To, class From>
void copy_run(To* to, const From* from, int64_t n) {
  if constexpr (std::is_same_v<To, From>) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(To));
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[i]);
  }
}

// dst[i] = src(i) over all elements of `shape`, dst and src with strides of their own.
template <class To, class From>
void copy_strided(To* dst, const Shape& dst_strides, const From* src, const Shape& src_strides, const Shape& shape) {
  const int dims = shape.dim();
  if (dims == 0) {
    *dst = convert<To>(*src);
    return;
  }
  const int64_t inner = shape[dims - 1];
  const int64_t ds = dst_strides[dims - 1], ss = src_strides[dims - 1];
  const int64_t rows = inner ? shape.numel() / inner : 0;
  parallel_for(rows, grain_for(inner), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t rest = row, d = 0, s = 0;
      for (int i = dims - 2; i >= 0; --i) {
        const int64_t index = rest % shape[i];
        rest /= shape[i];
        d += index * dst_strides[i];
        s += index * src_strides[i];
      }
      To* to = dst + d;
      const From* from = src + s;
      if (ds == 1 && ss == 1)
        copy_run(to, from, inner);
      else
        for (int64_t i = 0; i < inner; ++i) to[i * ds] = convert<To>(from[i * ss]);
    }
  });
}

}  // namespace

template <class T>
T Tensor::item() const {
  check(numel_ == 1, "item: shape is ", shape_, ", expected one element");
  if (on_cuda()) return to(Device{}).item<T>();
  return dispatch_any(dtype_, [&](auto tag) { return convert<T>(*data<decltype(tag)>()); });
}
template double Tensor::item<double>() const;
template float Tensor::item<float>() const;
template int64_t Tensor::item<int64_t>() const;

Tensor Tensor::contiguous() const { return contiguous_ ? *this : clone(); }

Tensor Tensor::clone() const {
  Tensor out = empty(shape_, dtype_, device());
  out.copy_(*this);
  return out;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor out = empty(shape_, dtype, device());
  out.copy_(*this);
  return out;
}

Tensor Tensor::to(Device device) const {
  if (device == this->device()) return *this;
  Tensor out = empty(shape_, dtype_, device);
  out.copy_(*this);
  return out;
}

void Tensor::copy_(const Tensor& source) {
  check(source.shape() == shape_, "copy: source is ", source.shape(), ", expected ", shape_);
  if (!numel_) return;
  if constexpr (kHasCuda)
    if (on_cuda() || source.on_cuda()) return copy_by_device_(source);
  const bool one_run = contiguous_ && source.is_contiguous();
  dispatch_any(dtype_, [&](auto to_tag) {
    dispatch_any(source.dtype(), [&](auto from_tag) {
      auto* to = mutable_data<decltype(to_tag)>();
      const auto* from = source.data<decltype(from_tag)>();
      if (one_run)
        parallel_for(numel_, 16384,
                     [=](int64_t begin, int64_t end) { copy_run(to + begin, from + begin, end - begin); });
      else
        copy_strided(to, strides_, from, source.strides(), shape_);
    });
  });
}

// From or to a GPU. Between devices only memory without gaps of one dtype is copied: the rest happens on either side.
void Tensor::copy_by_device_(const Tensor& source) {
  if constexpr (kHasCuda) {
    const bool one_run = contiguous_ && source.is_contiguous() && dtype_ == source.dtype();
    const auto bytes_of = [](const Tensor& t) {
      return static_cast<uint8_t*>(t.storage_->data()) + t.offset_ * size_of(t.dtype_);
    };
    if (on_cuda() != source.on_cuda() && !one_run) {
      // Converted where it lies; with gaps at the far end, copied there by a kernel.
      const Tensor plain = source.to(dtype_).contiguous();
      if (contiguous_) return copy_by_device_(plain);
      copy_(plain.to(device()));
      return;
    }
    bump_version();
    if (on_cuda() != source.on_cuda())
      on_cuda() ? cuda::copy_to_device(bytes_of(*this), bytes_of(source), bytes())
                : cuda::copy_to_host(bytes_of(*this), bytes_of(source), bytes());
    else
      cuda::copy_strided(bytes_of(*this), dtype_, strides_, bytes_of(source), source.dtype_, source.strides_, shape_);
  }
}

void Tensor::fill_(double value) {
  if (!numel_) return;
  dispatch_any(dtype_, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (kHasCuda)
      if (on_cuda()) return cuda::fill_strided(mutable_device_data<T>(), dtype_, strides_, shape_, value);
    T* out = mutable_data<T>();
    const T v = convert<T>(value);
    if (contiguous_)
      std::fill(out, out + numel_, v);
    else
      copy_strided(out, strides_, &v, Shape{0, 0, 0, 0, 0, 0, 0, 0}, shape_);
  });
}

}  // namespace tessera

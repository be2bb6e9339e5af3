#include "tensor/tensor.h"

#include <algorithm>
#include <cstring>
#include <iomanip>

#include "tensor/allocator.h"
#include "tensor/cuda/has_cuda.h"
#include "tensor/cuda/memory.h"
#include "tensor/device.h"
#include "tensor/parallel.h"

namespace tessera {

Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  Shape out;
  const int dims = std::max(a.dim(), b.dim());
  for (int i = 0; i < dims; ++i) {
    const int ia = i - (dims - a.dim()), ib = i - (dims - b.dim());
    const int64_t sa = ia < 0 ? 1 : a[ia], sb = ib < 0 ? 1 : b[ib];
    check(sa == sb || sa == 1 || sb == 1, op, ": shapes ", a, " and ", b, " do not broadcast");
    out.push_back(sa == 1 ? sb : sa);
  }
  return out;
}

Storage::Storage(int64_t count, DType dtype, Device device)
    : data_(nullptr), bytes_(count * size_of(dtype)), device_(device) {
  if (device.kind == Device::cpu) {
    data_ = allocate_host(bytes_);
  } else {
    check_available(device);
    if constexpr (kHasCuda) data_ = cuda::allocate(bytes_, size_of(dtype), "a tensor");
  }
}

Storage::~Storage() {
  if (device_.kind == Device::cpu)
    free_host(data_, bytes_);
  else if constexpr (kHasCuda)
    cuda::release(data_);
}

namespace {

bool strides_are_contiguous(const Shape& shape, const Shape& strides) {
  int64_t expected = 1;
  for (int i = shape.dim() - 1; i >= 0; --i) {
    if (shape[i] == 0) return true;
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

}  // namespace

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  Tensor t;
  t.numel_ = shape.numel();
  int64_t bytes = 0;
  check(!__builtin_mul_overflow(t.numel_, size_of(dtype), &bytes), "tensor: ", shape, " has too many elements");
  t.storage_ = std::make_shared<Storage>(t.numel_, dtype, device);
  t.root_ = std::make_shared<Root>();
  t.shape_ = shape;
  t.strides_ = contiguous_strides(shape);
  t.dtype_ = dtype;
  return t;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  Tensor t = empty(shape, dtype, device);
  if (t.on_cuda()) {
    if constexpr (kHasCuda) cuda::clear(t.storage_->data(), t.bytes());
  } else if (t.numel_) {
    auto* bytes = static_cast<uint8_t*>(t.storage_->data());
    parallel_for(t.bytes(), int64_t{1} << 20,
                 [&](int64_t begin, int64_t end) { std::memset(bytes + begin, 0, static_cast<size_t>(end - begin)); });
  }
  return t;
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype, Device device) {
  Tensor t = empty(shape, dtype, device);
  t.fill_(value);
  return t;
}

template <class T>
Tensor Tensor::from(std::span<const T> values, const Shape& shape) {
  check(static_cast<int64_t>(values.size()) == shape.numel(), "tensor: ", values.size(), " values for shape ", shape);
  Tensor t = empty(shape, dtype_of<T>::value);
  if (t.numel_) std::memcpy(t.storage_->data(), values.data(), values.size_bytes());
  return t;
}
template Tensor Tensor::from(std::span<const float>, const Shape&);
template Tensor Tensor::from(std::span<const double>, const Shape&);
template Tensor Tensor::from(std::span<const int64_t>, const Shape&);
template Tensor Tensor::from(std::span<const uint8_t>, const Shape&);
template Tensor Tensor::from(std::span<const bf16>, const Shape&);

Device Tensor::device() const { return storage_ ? storage_->device() : Device{}; }

int Tensor::wrap(int dimension) const {
  const int wrapped = dimension < 0 ? dimension + dim() : dimension;
  check(wrapped >= 0 && wrapped < dim(), "tensor: no dimension ", dimension, " in shape ", shape_);
  return wrapped;
}

void* Tensor::pointer(DType expected, Device::Kind kind) const {
  check(defined(), "tensor: undefined tensor has no data");
  check(device().kind == kind, "tensor: ", describe(*this), " on ", device(), " is read by code for ", Device{kind});
  check(dtype_ == expected, "tensor: data of dtype ", dtype_, " read as ", expected);
  return static_cast<uint8_t*>(storage_->data()) + offset_ * size_of(dtype_);
}

Tensor Tensor::with(const Shape& shape, const Shape& strides, int64_t offset) const {
  Tensor t = *this;
  t.shape_ = shape;
  t.strides_ = strides;
  t.offset_ = offset;
  t.numel_ = shape.numel();
  t.contiguous_ = strides_are_contiguous(shape, strides);
  return t;
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Tensor source = to(Device{}).contiguous();
  const T* values = source.data<T>();
  return std::vector<T>(values, values + numel_);
}
template std::vector<float> Tensor::to_vector() const;
template std::vector<double> Tensor::to_vector() const;
template std::vector<int64_t> Tensor::to_vector() const;
template std::vector<uint8_t> Tensor::to_vector() const;
template std::vector<bf16> Tensor::to_vector() const;

Tensor Tensor::view(const Shape& shape) const {
  Shape full = shape;
  int unknown = -1;
  int64_t known = 1;
  for (int i = 0; i < full.dim(); ++i) {
    if (full[i] != -1) {
      check(!__builtin_mul_overflow(known, full[i], &known), "view: cannot view ", shape_, " as ", shape);
      continue;
    }
    check(unknown < 0, "view: ", shape, " has more than one -1");
    unknown = i;
  }
  if (unknown >= 0) {
    check(known > 0 && numel_ % known == 0, "view: cannot view ", shape_, " as ", shape);
    full[unknown] = numel_ / known;
  }
  check(full.numel() == numel_, "view: cannot view ", shape_, " as ", shape);
  check(contiguous_, "view: ", shape_, " with strides ", strides_, " is not contiguous; use reshape");
  return with(full, contiguous_strides(full), offset_);
}

Tensor Tensor::reshape(const Shape& shape) const { return contiguous().view(shape); }

Tensor Tensor::permute(std::span<const int> order) const {
  check(static_cast<int>(order.size()) == dim(), "permute: ", order.size(), " dimensions given for shape ", shape_);
  Shape shape = shape_, strides = strides_;
  unsigned seen = 0;
  for (int i = 0; i < dim(); ++i) {
    const int from = wrap(order[static_cast<size_t>(i)]);
    check(!(seen & 1u << from), "permute: dimension ", from, " given twice");
    seen |= 1u << from;
    shape[i] = shape_[from];
    strides[i] = strides_[from];
  }
  return with(shape, strides, offset_);
}

Tensor Tensor::transpose(int a, int b) const {
  Shape shape = shape_, strides = strides_;
  a = wrap(a);
  b = wrap(b);
  std::swap(shape[a], shape[b]);
  std::swap(strides[a], strides[b]);
  return with(shape, strides, offset_);
}

Tensor Tensor::narrow(int dimension, int64_t start, int64_t length) const {
  const int d = wrap(dimension);
  check(start >= 0 && length >= 0 && start <= shape_[d] - length, "narrow: start ", start, ", length ", length,
        " is outside dimension ", d, " of ", shape_);
  Shape shape = shape_;
  shape[d] = length;
  return with(shape, strides_, offset_ + start * strides_[d]);
}

Tensor Tensor::select(int dimension, int64_t index) const {
  const int d = wrap(dimension);
  return narrow(d, index, 1).squeeze(d);
}

Tensor Tensor::expand(const Shape& shape) const {
  const int added = shape.dim() - dim();
  check(added >= 0, "expand: ", shape_, " to ", shape, " would lose dimensions");
  Shape strides = shape;
  for (int i = 0; i < shape.dim(); ++i) {
    const int own = i - added;
    const int64_t size = own < 0 ? 1 : shape_[own];
    check(size == shape[i] || size == 1, "expand: ", shape_, " does not expand to ", shape);
    strides[i] = own < 0 || size != shape[i] ? 0 : strides_[own];
  }
  return with(shape, strides, offset_);
}

Tensor Tensor::unsqueeze(int dimension) const {
  const int d = dimension < 0 ? dimension + dim() + 1 : dimension;
  check(d >= 0 && d <= dim(), "unsqueeze: no place ", dimension, " in shape ", shape_);
  Shape shape = shape_, strides = strides_;
  shape.insert(d, 1);
  strides.insert(d, d < dim() ? strides_[d] * shape_[d] : 1);
  return with(shape, strides, offset_);
}

Tensor Tensor::squeeze(int dimension) const {
  const int d = wrap(dimension);
  check(shape_[d] == 1, "squeeze: dimension ", d, " of ", shape_, " is not 1");
  Shape shape = shape_, strides = strides_;
  shape.erase(d);
  strides.erase(d);
  return with(shape, strides, offset_);
}

Tensor Tensor::as_root() const {
  Tensor t = *this;
  t.root_ = std::make_shared<Root>();
  return t;
}

std::ostream& operator<<(std::ostream& out, const Description& description) {
  const Tensor& tensor = description.tensor;
  return tensor.defined() ? out << tensor.dtype() << ' ' << tensor.shape() : out << "undefined";
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  out << describe(tensor);
  if (!tensor.defined()) return out;
  constexpr int64_t kShown = 16;
  out << " (";
  const Tensor flat = tensor.to(Device{}).reshape({tensor.numel()});
  for (int64_t i = 0; i < std::min(kShown, tensor.numel()); ++i) {
    out << (i ? ", " : "") << std::setprecision(6) << flat.select(0, i).item<double>();
  }
  return out << (tensor.numel() > kShown ? ", …)" : ")");
}

}  // namespace tessera

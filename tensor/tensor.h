// Tensor: a cheap handle on a block of memory: storage, shape, strides, offset, dtype. Views alias their source. A
// tensor knows nothing of gradients (see autograd/variable.h).
//
// `data<T>()` reads, `mutable_data<T>()` is the only door to mutation and bumps the version counter that the tape
// compares. Ops never mutate their inputs; functions whose name ends in `_` do.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace tessera {

// A block of memory, freed into the device's caching allocator when the last tensor on it goes.
class Storage {
 public:
  // For `count` elements of `dtype`. A device that cannot be used is an error that says why.
  Storage(int64_t count, DType dtype, Device device);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  Device device() const { return device_; }

 private:
  void* data_;
  int64_t bytes_;
  Device device_;
};

// What all views of one tensor share: the count of its modifications, and what has been derived from its contents,
// which goes when the last view goes: a weight's packed copies (tensor/gemm/packed/weight_copies.h) or, on a GPU, its
// bf16 copy (tensor/cuda/bf16_copies.h); a host tensor's copy on the GPU (tensor/cuda/device_copy.h).
struct Root {
  std::atomic<uint64_t> version{0};
  std::mutex mutex;  // of the others
  std::shared_ptr<void> derived, on_device;
};

class Tensor {
 public:
  Tensor() = default;  // undefined: no storage

  static Tensor empty(const Shape& shape, DType dtype = DType::f32, Device device = {});
  static Tensor zeros(const Shape& shape, DType dtype = DType::f32, Device device = {});
  static Tensor full(const Shape& shape, double value, DType dtype = DType::f32, Device device = {});
  static Tensor scalar(double value, DType dtype = DType::f32, Device device = {}) {
    return full({}, value, dtype, device);
  }
  static Tensor empty_like(const Tensor& other) { return empty(other.shape(), other.dtype(), other.device()); }
  static Tensor zeros_like(const Tensor& other) { return zeros(other.shape(), other.dtype(), other.device()); }
  // Copies `values`, row-major.
  template <class T>
  static Tensor from(std::span<const T> values, const Shape& shape);
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape) {
    return from(std::span<const T>(values), shape);
  }
  template <class T>
  static Tensor from(const std::vector<T>& values) {
    return from(values, Shape{static_cast<int64_t>(values.size())});
  }

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  const Shape& strides() const { return strides_; }
  int dim() const { return shape_.dim(); }
  int64_t size(int dimension) const { return shape_[wrap(dimension)]; }      // negative counts from the end
  int64_t stride(int dimension) const { return strides_[wrap(dimension)]; }  // in elements
  int64_t numel() const { return numel_; }
  int64_t bytes() const { return numel_ * size_of(dtype_); }
  DType dtype() const { return dtype_; }
  Device device() const;
  bool on_cuda() const { return defined() && device().kind == Device::cuda; }
  bool is_contiguous() const { return contiguous_; }

  // For code that runs on the CPU: a tensor on a GPU is an error.
  template <class T>
  const T* data() const {
    return static_cast<const T*>(pointer(dtype_of<T>::value, Device::cpu));
  }
  template <class T>
  T* mutable_data() {
    void* p = pointer(dtype_of<T>::value, Device::cpu);
    bump_version();
    return static_cast<T*>(p);
  }
  // The same for what is handed to a kernel: a tensor on the CPU is an error.
  template <class T>
  const T* device_data() const {
    return static_cast<const T*>(pointer(dtype_of<T>::value, Device::cuda));
  }
  template <class T>
  T* mutable_device_data() {
    void* p = pointer(dtype_of<T>::value, Device::cuda);
    bump_version();
    return static_cast<T*>(p);
  }
  // The only element of a tensor of one element, converted. Of a tensor on a GPU it waits for all work there.
  template <class T = double>
  T item() const;
  // A copy of the elements, row-major, whatever the strides and the device. T must be the dtype's type.
  template <class T>
  std::vector<T> to_vector() const;

  // Views. `view` needs a contiguous tensor; one size may be -1. `reshape` copies where a view cannot do it.
  Tensor view(const Shape& shape) const;
  Tensor reshape(const Shape& shape) const;
  Tensor permute(std::span<const int> order) const;
  Tensor permute(std::initializer_list<int> order) const {
    return permute(std::span<const int>(order.begin(), order.size()));
  }
  Tensor transpose(int a, int b) const;
  Tensor narrow(int dimension, int64_t start, int64_t length) const;
  Tensor select(int dimension, int64_t index) const;  // drops the dimension
  Tensor expand(const Shape& shape) const;            // repeats dimensions of size 1 (stride 0)
  Tensor unsqueeze(int dimension) const;
  Tensor squeeze(int dimension) const;

  Tensor contiguous() const;       // itself if it is
  Tensor clone() const;            // always a contiguous copy
  Tensor to(DType dtype) const;    // itself if it has it; else converted (f32 → bf16 rounds to nearest even)
  Tensor to(Device device) const;  // itself if it lies there; else a contiguous copy

  // Copies `source` (same shape, any strides and device; converted if the dtype differs) into this tensor's memory.
  void copy_(const Tensor& source);
  void fill_(double value);

  // A handle on the same memory that counts as a tensor of its own: its version counter is separate. Each parameter is
  // such a root inside its arena.
  Tensor as_root() const;
  uint64_t version() const { return root_ ? root_->version.load(std::memory_order_relaxed) : 0; }
  const std::shared_ptr<Root>& root() const { return root_; }
  void bump_version() { root_->version.fetch_add(1, std::memory_order_relaxed); }

  const std::shared_ptr<Storage>& storage() const { return storage_; }
  int64_t offset() const { return offset_; }  // of the first element, in elements
  // True if this handle is the only one on its storage (then its memory may be reused).
  bool is_unique() const { return storage_.use_count() == 1; }

 private:
  int wrap(int dimension) const;
  void copy_by_device_(const Tensor& source);
  void* pointer(DType expected, Device::Kind kind) const;
  Tensor with(const Shape& shape, const Shape& strides, int64_t offset) const;

  std::shared_ptr<Storage> storage_;
  std::shared_ptr<Root> root_;
  Shape shape_, strides_;
  int64_t offset_ = 0, numel_ = 0;
  DType dtype_ = DType::f32;
  bool contiguous_ = true;
};

// "f32 [2, 3]": for messages. Written out only when a message is, so that a check that holds costs nothing.
struct Description {
  const Tensor& tensor;
};
std::ostream& operator<<(std::ostream& out, const Description& description);
inline Description describe(const Tensor& tensor) { return {tensor}; }
// Shape and elements, for people; long tensors are shortened.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

}  // namespace tessera

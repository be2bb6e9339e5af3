// The sizes (or strides) of a tensor's dimensions: at most eight, held without an allocation.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>

#include "tensor/error.h"

namespace tessera {

class Shape {
 public:
  static constexpr int kMaxDims = 8;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes) : Shape(std::span<const int64_t>(sizes.begin(), sizes.size())) {}
  explicit Shape(std::span<const int64_t> sizes) {
    for (const int64_t size : sizes) push_back(size);
  }

  int dim() const { return dim_; }
  bool empty() const { return dim_ == 0; }
  const int64_t* begin() const { return sizes_.data(); }
  const int64_t* end() const { return sizes_.data() + dim_; }
  int64_t* begin() { return sizes_.data(); }
  int64_t* end() { return sizes_.data() + dim_; }
  int64_t operator[](int i) const { return sizes_[static_cast<size_t>(i)]; }
  int64_t& operator[](int i) { return sizes_[static_cast<size_t>(i)]; }
  int64_t back() const { return (*this)[dim_ - 1]; }

  void push_back(int64_t size) {
    check(dim_ < kMaxDims, "shape: more than ", kMaxDims, " dimensions");
    sizes_[static_cast<size_t>(dim_++)] = size;
  }
  void insert(int position, int64_t size) {
    push_back(0);
    for (int i = dim_ - 1; i > position; --i) (*this)[i] = (*this)[i - 1];
    (*this)[position] = size;
  }
  void erase(int position) {
    for (int i = position; i + 1 < dim_; ++i) (*this)[i] = (*this)[i + 1];
    --dim_;
  }

  // The number of elements; 1 without dimensions. Negative sizes are errors; so is overflow, of the product of the
  // sizes that are not 0 too: strides are such products.
  int64_t numel() const {
    int64_t product = 1;
    bool any_zero = false;
    for (const int64_t size : *this) {
      check(size >= 0, "shape: ", *this, " has a negative size");
      any_zero = any_zero || size == 0;
      check(!__builtin_mul_overflow(product, size > 0 ? size : 1, &product), "shape: ", *this,
            " has too many elements");
    }
    return any_zero ? 0 : product;
  }

  bool operator==(const Shape& other) const {
    if (dim_ != other.dim_) return false;
    for (int i = 0; i < dim_; ++i)
      if ((*this)[i] != other[i]) return false;
    return true;
  }

  friend std::ostream& operator<<(std::ostream& out, const Shape& shape) {
    out << '[';
    for (int i = 0; i < shape.dim_; ++i) out << (i ? ", " : "") << shape[i];
    return out << ']';
  }

 private:
  std::array<int64_t, kMaxDims> sizes_{};
  int dim_ = 0;
};

// Row-major strides, in elements.
inline Shape contiguous_strides(const Shape& shape) {
  Shape strides = shape;
  int64_t stride = 1;
  for (int i = shape.dim() - 1; i >= 0; --i) {
    strides[i] = stride;
    stride *= shape[i] > 0 ? shape[i] : 1;
  }
  return strides;
}

// The shape that two operands broadcast to, aligned at the last dimension; an error that names the op if there is none.
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);

}  // namespace tessera

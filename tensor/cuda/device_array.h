// Arrays in the GPU's memory that are no tensors (tensor/tensor.h): in tests of kernels, and where one number is read.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tensor/cuda/memory.h"
#include "tensor/error.h"

namespace tessera::cuda {

template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(int64_t size, const std::string& name = "array")
      : size_(size), data_(static_cast<T*>(allocate(bytes(), sizeof(T), described(name)))) {}
  explicit DeviceArray(std::span<const T> values, const std::string& name = "array")
      : DeviceArray(static_cast<int64_t>(values.size()), name) {
    copy_to_device(data_, values.data(), bytes());
  }
  explicit DeviceArray(const std::vector<T>& values, const std::string& name = "array")
      : DeviceArray(std::span<const T>(values), name) {}
  ~DeviceArray() { release(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  int64_t size() const { return size_; }
  std::vector<T> to_host() const {
    std::vector<T> values(static_cast<size_t>(size_));
    copy_to_host(values.data(), data_, bytes());
    return values;
  }

 private:
  int64_t bytes() const { return size_ * static_cast<int64_t>(sizeof(T)); }
  std::string described(const std::string& name) const { return text(name, " [", size_, "]"); }

  int64_t size_;
  T* data_;
};

}  // namespace tessera::cuda

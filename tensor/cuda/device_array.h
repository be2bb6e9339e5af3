// Arrays in the GPU's memory. In emulation each lies in host memory by itself, filled with NaN (0xff) and known to the
// checker of accesses, so that what a kernel does outside of one, or before anything was written, is found.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tensor/cuda/stream.h"
#include "tensor/error.h"

namespace tessera::cuda {

// `bytes` in elements of `element` bytes, aligned to 256; the contents are undefined. `name` is for messages.
void* allocate(size_t bytes, size_t element, const std::string& name);
void release(void* memory);
// Whole arrays. Both wait for the stream.
void copy_to_device(void* to, const void* from, size_t bytes, Stream stream);
void copy_to_host(void* to, const void* from, size_t bytes, Stream stream);

template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(int64_t size, const std::string& name = "array")
      : size_(size), data_(static_cast<T*>(allocate(bytes(), sizeof(T), described(name)))) {}
  explicit DeviceArray(std::span<const T> values, const std::string& name = "array")
      : DeviceArray(static_cast<int64_t>(values.size()), name) {
    copy_to_device(data_, values.data(), bytes(), {});
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
    copy_to_host(values.data(), data_, bytes(), {});
    return values;
  }

 private:
  size_t bytes() const { return static_cast<size_t>(size_) * sizeof(T); }
  std::string described(const std::string& name) const { return text(name, " [", size_, "]"); }

  int64_t size_;
  T* data_;
};

}  // namespace tessera::cuda

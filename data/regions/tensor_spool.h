// One tensor of a safetensors file that grows row by row: a file without a name, in the folder of that which it becomes
// part of, since the format wants its size before its first byte.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "io/output_file.h"
#include "io/safetensors_header.h"
#include "tensor/tensor.h"

namespace tessera {

class TensorSpool {
 public:
  // Of tensors [rows, row…] of one of the format's types. Errors name `beside`.
  TensorSpool(const std::filesystem::path& beside, const char* name, const char* dtype, Shape row);
  ~TensorSpool();
  TensorSpool(const TensorSpool&) = delete;
  TensorSpool& operator=(const TensorSpool&) = delete;

  void write(const void* from, uint64_t bytes);
  template <class T>
  void write(const std::vector<T>& values) {
    write(values.data(), values.size() * sizeof(T));
  }
  void write(const Tensor& tensor);
  void copy_to(OutputFile& out);

  const char* name() const { return name_; }
  uint64_t bytes() const { return bytes_; }
  // Where the data begin at `begin`.
  safetensors::Entry entry(uint64_t begin) const;

 private:
  const char *name_, *dtype_;
  Shape row_;
  std::string where_;
  std::FILE* file_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace tessera

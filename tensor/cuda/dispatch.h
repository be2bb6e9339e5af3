// From an op's tensors to a kernel's types. Include in the .cpp files of tensor/.
#pragma once

#include "tensor/cuda/has_cuda.h"
#include "tensor/cuda/row_tables.h"
#include "tensor/tensor.h"

namespace tessera::cuda {

// Calls f(T{}) with T = float or bf16; anything else is an error that names the op.
template <class F>
decltype(auto) dispatch_device(const char* op, DType dtype, F&& f) {
  if (dtype == DType::f32) return f(float{});
  if (dtype == DType::bf16) return f(bf16{});
  fail(op, ": dtype is ", dtype, ", expected f32 or bf16 on a GPU");
}

// The elements, or nullptr of an undefined tensor (which stands for what an op need not read or write).
template <class T>
const T* data_or_null(const Tensor& x) {
  return x.defined() ? x.device_data<T>() : nullptr;
}
template <class T>
T* mutable_data_or_null(Tensor& x) {
  return x.defined() ? x.mutable_device_data<T>() : nullptr;
}

// The tables of a gather. They have to be contiguous.
template <class T>
RowTables<T> row_tables(const char* op, std::span<const Tensor> sources) {
  check(sources.size() <= RowTables<T>::kMost, op, ": ", sources.size(), " sources, expected at most ",
        RowTables<T>::kMost, " on a GPU");
  RowTables<T> tables;
  for (size_t k = 0; k < sources.size(); ++k) {
    tables.data[k] = sources[k].device_data<T>();
    tables.rows[k] = sources[k].size(0);
  }
  return tables;
}

}  // namespace tessera::cuda

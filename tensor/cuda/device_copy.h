// Index tensors, marks and labels stay on the host, where ops check and read them; what a kernel needs of them is a
// copy on the GPU that hangs on the tensor's root and is made once for each version.
#pragma once

#include "tensor/cuda/row_segments.h"
#include "tensor/tensor.h"

namespace tessera::cuda {

// The elements of a host tensor, contiguous, on the GPU; the tensor itself, contiguous, if it lies there. The copy is
// made at the first call and again after the tensor was modified; a view has a copy of its own, which is not kept.
Tensor on_device(const Tensor& host);

// The entries of a host tensor of indices, each below `rows`, sorted by row, on the GPU. Kept in the same way.
SegmentsOnDevice segments_on_device(const Tensor& index, int64_t rows);

// ops::matrix_offsets(rows, columns) of host tensors of marks, on the GPU. Kept with `rows`, while `columns` is as it
// was.
Tensor offsets_on_device(const Tensor& rows, const Tensor& columns, const std::vector<int64_t>& offsets);

}  // namespace tessera::cuda

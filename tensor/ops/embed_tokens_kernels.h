// The kernel of tensor/ops/embed_tokens.h; its gradient is in scatter_rows_kernels.h.
#pragma once

#include <cstdint>

#include "tensor/cuda/row_tables.h"
#include "tensor/philox.h"

namespace tessera::cuda {

// y [tokens, width] of f32 or bf16; index, types [tokens]; type_table [types, width].
template <class Y>
void embed_tokens(const RowTables<float>& sources, const int64_t* index, const float* type_table, const int64_t* types,
                  Y* y, int64_t tokens, int64_t width, double p, const Ticket& ticket);

}  // namespace tessera::cuda

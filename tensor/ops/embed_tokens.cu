// ops::embed_tokens on the GPU: rows of several tables, dropout, and the embedding of each token's type, in one pass.
// The gradients are scatter_rows', with the mask and without.
#include "tensor/cuda/device_mask.h"
#include "tensor/cuda/row_lookup.h"
#include "tensor/cuda/strided.h"
#include "tensor/ops/embed_tokens_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kEmbedWarps = 4, kEmbedThreads = kEmbedWarps * 32;

// A warp for each token, four columns of a row at once where rows can be read so.
template <class Y, int n>
__global__ void __launch_bounds__(kEmbedThreads)
    embed_tokens_kernel(RowTables<float> sources, const int64_t* index, const float* type_table, const int64_t* types,
                        Y* y, int64_t tokens, int width, Mask mask) {
  const int64_t token = static_cast<int64_t>(blockIdx.x) * kEmbedWarps + warp_index();
  if (token >= tokens) return;
  const float* row = row_of(sources, index[token], width);
  const float* type = type_table + types[token] * width;
  for_columns<n>(width, lane_index(), 32, [&](int c) {
    float v[n], t[n];
    load<n>(row + c, v);
    load<n>(type + c, t);
    mask.apply(token * width + c, v);
    Elements<Y, n> sum;
    for (int j = 0; j < n; ++j) sum.value[j] = simt::from_float<Y>(v[j] + t[j]);
    store_elements<n>(y + token * width + c, sum);
  });
}

}  // namespace

template <class Y>
void embed_tokens(const RowTables<float>& sources, const int64_t* index, const float* type_table, const int64_t* types,
                  Y* y, int64_t tokens, int64_t width, double p, const Ticket& ticket) {
  const Mask mask("embed_tokens", p, ticket);
  bool packed = packs_fit<float>(width, type_table, y);
  for (const float* table : sources.data) packed &= packs_fit<float>(width, table);
  with_pack_size<float>(packed, [&](auto size) {
    simt::launch<embed_tokens_kernel<Y, decltype(size)::value>>(blocks_for(tokens, kEmbedWarps), kEmbedThreads, 0,
                                                                sources, index, type_table, types, y, tokens,
                                                                static_cast<int>(width), mask);
  });
}

template void embed_tokens(const RowTables<float>&, const int64_t*, const float*, const int64_t*, float*, int64_t,
                           int64_t, double, const Ticket&);
template void embed_tokens(const RowTables<float>&, const int64_t*, const float*, const int64_t*, bf16*, int64_t,
                           int64_t, double, const Ticket&);

}  // namespace tessera::cuda

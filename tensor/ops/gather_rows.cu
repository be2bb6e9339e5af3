// ops::gather_rows and interpolate_rows on the GPU. Their gradients are in scatter_rows.cu.
#include "tensor/cuda/row_lookup.h"
#include "tensor/cuda/strided.h"
#include "tensor/ops/gather_rows_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kGatherWarps = 4, kGatherThreads = kGatherWarps * 32;

// A warp for each entry, n columns of a row at once.
template <class T, int n>
__global__ void __launch_bounds__(kGatherThreads)
    gather_rows_kernel(RowTables<T> tables, const int64_t* index, T* out, int64_t entries, int width) {
  const int64_t entry = static_cast<int64_t>(blockIdx.x) * kGatherWarps + warp_index();
  if (entry >= entries) return;
  const T* row = row_of(tables, index[entry], width);
  for_columns<n>(width, lane_index(), 32,
                 [&](int c) { store_elements<n>(out + entry * width + c, load_elements<n>(row + c, 1)); });
}

__global__ void __launch_bounds__(kGatherThreads)
    interpolate_rows_kernel(const float* table, const int64_t* index, const float* weight, float* out, int64_t entries,
                            int taps, int width) {
  const int64_t entry = static_cast<int64_t>(blockIdx.x) * kGatherWarps + warp_index();
  if (entry >= entries) return;
  for (int c = lane_index(); c < width; c += 32) {
    float sum = 0;
    for (int t = 0; t < taps; ++t) sum += weight[entry * taps + t] * table[index[entry * taps + t] * width + c];
    out[entry * width + c] = sum;
  }
}

}  // namespace

template <class T>
void gather_rows(const RowTables<T>& tables, const int64_t* index, T* out, int64_t entries, int64_t width) {
  bool packed = packs_fit<T>(width, out);
  for (const T* table : tables.data) packed &= packs_fit<T>(width, table);
  with_pack_size<T>(packed, [&](auto size) {
    simt::launch<gather_rows_kernel<T, decltype(size)::value>>(blocks_for(entries, kGatherWarps), kGatherThreads, 0,
                                                               tables, index, out, entries, static_cast<int>(width));
  });
}

void interpolate_rows(const float* table, const int64_t* index, const float* weight, float* out, int64_t entries,
                      int64_t taps, int64_t width) {
  simt::launch<interpolate_rows_kernel>(blocks_for(entries, kGatherWarps), kGatherThreads, 0, table, index, weight, out,
                                        entries, static_cast<int>(taps), static_cast<int>(width));
}

template void gather_rows(const RowTables<float>&, const int64_t*, float*, int64_t, int64_t);
template void gather_rows(const RowTables<bf16>&, const int64_t*, bf16*, int64_t, int64_t);

}  // namespace tessera::cuda

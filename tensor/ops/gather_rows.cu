// ops::gather_rows, interpolate_rows and their gradients on the GPU. A gradient is summed by sorted segments: the
// entries of a row, in their own order, by one thread for each column. No atomics, the same bits every time.
#include "tensor/cuda/dropout_mask.h"
#include "tensor/cuda/kernels.h"
#include "tensor/cuda/row_tables.h"

namespace tessera::cuda {
namespace {

constexpr int kWarps = 4, kThreads = kWarps * 32;

// A warp for each entry.
template <class T>
__global__ void __launch_bounds__(kThreads)
    gather_rows_kernel(RowTables<T> tables, const int64_t* index, T* out, int64_t entries, int width) {
  const int64_t entry = static_cast<int64_t>(blockIdx.x) * kWarps + warp_index();
  if (entry >= entries) return;
  const T* row = row_of(tables, index[entry], width);
  for (int c = lane_index(); c < width; c += 32) out[entry * width + c] = row[c];
}

__global__ void __launch_bounds__(kThreads)
    interpolate_rows_kernel(const float* table, const int64_t* index, const float* weight, float* out, int64_t entries,
                            int taps, int width) {
  const int64_t entry = static_cast<int64_t>(blockIdx.x) * kWarps + warp_index();
  if (entry >= entries) return;
  for (int c = lane_index(); c < width; c += 32) {
    float sum = 0;
    for (int t = 0; t < taps; ++t) sum += weight[entry * taps + t] * table[index[entry * taps + t] * width + c];
    out[entry * width + c] = sum;
  }
}

// Grid: rows of the table, pieces of a row.
template <class T, class G>
__global__ void __launch_bounds__(kThreads)
    scatter_rows_kernel(const T* dout, RowSegments segments, const float* weight, int taps, G* gradient,
                        bool accumulate, int width, Mask mask) {
  const int64_t row = blockIdx.x;
  const int c = static_cast<int>(blockIdx.y) * kThreads + static_cast<int>(threadIdx.x);
  if (c >= width) return;
  G& place = gradient[row * width + c];
  float sum = accumulate ? simt::to_float(place) : 0.0f;
  for (int64_t i = segments.starts[segments.first_row + row]; i < segments.starts[segments.first_row + row + 1]; ++i) {
    const int64_t entry = segments.order[i], at = entry / taps * width + c;
    float value[1] = {simt::to_float(dout[at])};
    mask.apply(at, value);
    sum += weight != nullptr ? weight[entry] * value[0] : value[0];
  }
  place = simt::from_float<G>(sum);
}

}  // namespace

SortedEntries sort_entries(std::span<const int64_t> index, int64_t rows) {
  SortedEntries sorted{std::vector<int64_t>(static_cast<size_t>(rows) + 1, 0), std::vector<int64_t>(index.size())};
  for (const int64_t row : index) ++sorted.starts[static_cast<size_t>(row) + 1];
  for (size_t r = 1; r < sorted.starts.size(); ++r) sorted.starts[r] += sorted.starts[r - 1];
  std::vector<int64_t> next(sorted.starts.begin(), sorted.starts.end() - 1);
  for (size_t e = 0; e < index.size(); ++e)
    sorted.order[static_cast<size_t>(next[static_cast<size_t>(index[e])]++)] = static_cast<int64_t>(e);
  return sorted;
}

template <class T>
void gather_rows(const RowTables<T>& tables, const int64_t* index, T* out, int64_t entries, int64_t width) {
  simt::launch<gather_rows_kernel<T>>(blocks_for(entries, kWarps), kThreads, 0, tables, index, out, entries,
                                      static_cast<int>(width));
}

void interpolate_rows(const float* table, const int64_t* index, const float* weight, float* out, int64_t entries,
                      int64_t taps, int64_t width) {
  simt::launch<interpolate_rows_kernel>(blocks_for(entries, kWarps), kThreads, 0, table, index, weight, out,
                                        entries, static_cast<int>(taps), static_cast<int>(width));
}

template <class T, class G>
void scatter_rows(const T* dout, const RowSegments& segments, const float* weight, int64_t taps, G* gradient,
                  int64_t rows, int64_t width, bool accumulate, double p, const Ticket& ticket) {
  simt::launch<scatter_rows_kernel<T, G>>(dim3(static_cast<unsigned>(rows), blocks_for(width, kThreads)), kThreads, 0,
                                          dout, segments, weight, static_cast<int>(taps), gradient, accumulate,
                                          static_cast<int>(width), Mask("scatter_rows", p, ticket));
}

template void gather_rows(const RowTables<float>&, const int64_t*, float*, int64_t, int64_t);
template void gather_rows(const RowTables<bf16>&, const int64_t*, bf16*, int64_t, int64_t);
template void scatter_rows(const float*, const RowSegments&, const float*, int64_t, float*, int64_t, int64_t, bool,
                           double, const Ticket&);
template void scatter_rows(const bf16*, const RowSegments&, const float*, int64_t, float*, int64_t, int64_t, bool,
                           double, const Ticket&);
template void scatter_rows(const bf16*, const RowSegments&, const float*, int64_t, bf16*, int64_t, int64_t, bool,
                           double, const Ticket&);

}  // namespace tessera::cuda

// The gradients of ops::gather_rows and interpolate_rows on the GPU: every row of a table is the sum of its entries in
// their own order, by one thread for each column. Long rows are summed in pieces.
#include "tensor/cuda/device_mask.h"
#include "tensor/ops/scatter_rows_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kScatterRowThreads = 128;
static_assert(sizeof(SortedEntries::Piece) == 24 && sizeof(SortedEntries::LongRow) == 24);

// The terms of a sum: weight[e] · dropout(dout)[e / taps].
template <class T>
struct Entries {
  const T* dout;
  const int64_t* order;
  const float* weight;
  int taps, width;
  Mask mask;

  // sum + Σ order[begin .. end), column c.
  __device__ float add(float sum, int64_t begin, int64_t end, int c) const {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t entry = order[i], at = (taps == 1 ? entry : entry / taps) * width + c;
      float value[1] = {simt::to_float(dout[at])};
      mask.apply(at, value);
      sum += weight != nullptr ? weight[entry] * value[0] : value[0];
    }
    return sum;
  }
};

// Grid: rows of the table, blocks of columns.
template <class T, class G>
__global__ void __launch_bounds__(kScatterRowThreads)
    scatter_rows_kernel(Entries<T> entries, RowSegments segments, G* gradient, bool accumulate) {
  const int64_t row = blockIdx.x, at = segments.first_row + row;
  const int c = static_cast<int>(blockIdx.y) * kScatterRowThreads + static_cast<int>(threadIdx.x);
  const int64_t begin = segments.starts[at], end = segments.starts[at + 1];
  if (c >= entries.width || end - begin > SortedEntries::kPiece || (accumulate && begin == end)) return;
  G& place = gradient[row * entries.width + c];
  place = simt::from_float<G>(entries.add(accumulate ? simt::to_float(place) : 0.0f, begin, end, c));
}

// Grid: pieces of all tables, blocks of columns. sums [pieces, width].
template <class T>
__global__ void __launch_bounds__(kScatterRowThreads)
    sum_pieces_kernel(Entries<T> entries, RowSegments segments, int64_t rows, float* sums) {
  const SortedEntries::Piece piece = segments.pieces[blockIdx.x];
  const int c = static_cast<int>(blockIdx.y) * kScatterRowThreads + static_cast<int>(threadIdx.x);
  if (c >= entries.width || piece.row < segments.first_row || piece.row >= segments.first_row + rows) return;
  sums[static_cast<int64_t>(blockIdx.x) * entries.width + c] = entries.add(0, piece.begin, piece.end, c);
}

// Grid: long rows of all tables, blocks of columns.
template <class G>
__global__ void __launch_bounds__(kScatterRowThreads)
    add_pieces_kernel(const float* sums, RowSegments segments, int64_t rows, int width, G* gradient, bool accumulate) {
  const SortedEntries::LongRow row = segments.long_rows[blockIdx.x];
  const int c = static_cast<int>(blockIdx.y) * kScatterRowThreads + static_cast<int>(threadIdx.x);
  if (c >= width || row.row < segments.first_row || row.row >= segments.first_row + rows) return;
  G& place = gradient[(row.row - segments.first_row) * width + c];
  float sum = accumulate ? simt::to_float(place) : 0.0f;
  for (int64_t piece = row.first_piece; piece < row.first_piece + row.pieces; ++piece) sum += sums[piece * width + c];
  place = simt::from_float<G>(sum);
}

}  // namespace

template <class T, class G>
void scatter_rows(const T* dout, const RowSegments& segments, const float* weight, int64_t taps, G* gradient,
                  float* workspace, int64_t rows, int64_t width, bool accumulate, double p, const Ticket& ticket) {
  const unsigned columns = blocks_for(width, kScatterRowThreads);
  const Entries<T> entries{
      dout, segments.order, weight, static_cast<int>(taps), static_cast<int>(width), Mask("scatter_rows", p, ticket)};
  simt::launch<scatter_rows_kernel<T, G>>(dim3(static_cast<unsigned>(rows), columns), kScatterRowThreads, 0, entries,
                                          segments, gradient, accumulate);
  simt::launch<sum_pieces_kernel<T>>(dim3(static_cast<unsigned>(segments.piece_count), columns), kScatterRowThreads, 0,
                                     entries, segments, rows, workspace);
  simt::launch<add_pieces_kernel<G>>(dim3(static_cast<unsigned>(segments.long_row_count), columns), kScatterRowThreads,
                                     0, workspace, segments, rows, static_cast<int>(width), gradient, accumulate);
}

template void scatter_rows(const float*, const RowSegments&, const float*, int64_t, float*, float*, int64_t, int64_t,
                           bool, double, const Ticket&);
template void scatter_rows(const bf16*, const RowSegments&, const float*, int64_t, float*, float*, int64_t, int64_t,
                           bool, double, const Ticket&);
template void scatter_rows(const bf16*, const RowSegments&, const float*, int64_t, bf16*, float*, int64_t, int64_t,
                           bool, double, const Ticket&);

}  // namespace tessera::cuda

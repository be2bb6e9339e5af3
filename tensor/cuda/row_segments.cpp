#include "tensor/cuda/row_segments.h"

#include <cstring>

namespace tessera::cuda {
namespace {

void cut_long_rows(SortedEntries& sorted) {
  constexpr int64_t kPiece = SortedEntries::kPiece;
  for (size_t r = 0; r + 1 < sorted.starts.size(); ++r) {
    const int64_t begin = sorted.starts[r], end = sorted.starts[r + 1], row = static_cast<int64_t>(r);
    if (end - begin <= kPiece) continue;
    sorted.long_rows.push_back({row, static_cast<int64_t>(sorted.pieces.size()), (end - begin + kPiece - 1) / kPiece});
    for (int64_t from = begin; from < end; from += kPiece)
      sorted.pieces.push_back({row, from, from + kPiece < end ? from + kPiece : end});
  }
}

}  // namespace

SortedEntries sort_entries(std::span<const int64_t> index, int64_t rows) {
  SortedEntries sorted;
  sorted.starts = std::vector<int64_t>(static_cast<size_t>(rows) + 1, 0);
  sorted.order = std::vector<int64_t>(index.size());
  for (const int64_t row : index) ++sorted.starts[static_cast<size_t>(row) + 1];
  for (size_t r = 1; r < sorted.starts.size(); ++r) sorted.starts[r] += sorted.starts[r - 1];
  std::vector<int64_t> next(sorted.starts.begin(), sorted.starts.end() - 1);
  for (size_t e = 0; e < index.size(); ++e)
    sorted.order[static_cast<size_t>(next[static_cast<size_t>(index[e])]++)] = static_cast<int64_t>(e);
  cut_long_rows(sorted);
  return sorted;
}

// All in one array of i64, so that there is one copy.
SegmentsOnDevice to_device(const SortedEntries& sorted) {
  static_assert(sizeof(SortedEntries::Piece) == 3 * sizeof(int64_t));
  static_assert(sizeof(SortedEntries::LongRow) == 3 * sizeof(int64_t));
  const auto count = [](const auto& values) { return values.size() * sizeof(values[0]) / sizeof(int64_t); };
  std::vector<int64_t> all(count(sorted.starts) + count(sorted.order) + count(sorted.pieces) + count(sorted.long_rows));
  size_t end = 0;
  const auto append = [&](const auto& values) {
    const size_t at = end;
    if (!values.empty()) std::memcpy(all.data() + at, values.data(), count(values) * sizeof(int64_t));
    end += count(values);
    return at;
  };
  const size_t starts = append(sorted.starts), order = append(sorted.order), pieces = append(sorted.pieces);
  const size_t long_rows = append(sorted.long_rows);
  SegmentsOnDevice result{Tensor::from(all).to(Device{Device::cuda, 0}), {}};
  const int64_t* data = result.memory.device_data<int64_t>();
  result.segments = {data + starts,
                     data + order,
                     reinterpret_cast<const SortedEntries::Piece*>(data + pieces),
                     reinterpret_cast<const SortedEntries::LongRow*>(data + long_rows),
                     static_cast<int64_t>(sorted.pieces.size()),
                     static_cast<int64_t>(sorted.long_rows.size())};
  return result;
}

}  // namespace tessera::cuda

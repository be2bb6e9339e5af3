#include <algorithm>
#include <numeric>

#include "tensor/ops/gru.h"
#include "tensor/ops/ragged.h"

namespace tessera::ops {

GruSteps::GruSteps(const Tensor& cu_seqlens, int64_t tokens, bool reverse) {
  const std::span<const int64_t> marks = check_marks("gru", "cu_seqlens", cu_seqlens, tokens);
  const size_t sequences = marks.size() - 1;
  const auto length = [&](int64_t s) { return marks[static_cast<size_t>(s) + 1] - marks[static_cast<size_t>(s)]; };
  std::vector<int64_t> by_length(sequences), places(sequences), lasts(sequences);
  std::iota(by_length.begin(), by_length.end(), 0);
  std::stable_sort(by_length.begin(), by_length.end(), [&](int64_t a, int64_t b) { return length(a) > length(b); });
  for (size_t i = 0; i < sequences; ++i) places[static_cast<size_t>(by_length[i])] = static_cast<int64_t>(i);

  std::vector<int64_t> of_row, of_token(static_cast<size_t>(tokens)), before;
  of_row.reserve(static_cast<size_t>(tokens));
  before.reserve(static_cast<size_t>(tokens));
  const auto states = static_cast<int64_t>(sequences);  // where the rows begin behind h0
  size_t alive = sequences;
  begins.push_back(0);
  for (int64_t step = 0;; ++step) {
    while (alive > 0 && length(by_length[alive - 1]) <= step) --alive;
    if (alive == 0) break;
    for (size_t i = 0; i < alive; ++i) {
      const int64_t s = by_length[i], n = length(s);
      const int64_t token_at = marks[static_cast<size_t>(s)] + (reverse ? n - 1 - step : step);
      of_token[static_cast<size_t>(token_at)] = static_cast<int64_t>(of_row.size());
      of_row.push_back(token_at);
      before.push_back(step == 0 ? s : states + begins[static_cast<size_t>(step) - 1] + static_cast<int64_t>(i));
    }
    begins.push_back(static_cast<int64_t>(of_row.size()));
  }
  for (size_t s = 0; s < sequences; ++s) {
    const int64_t n = length(static_cast<int64_t>(s));
    lasts[s] = n == 0 ? static_cast<int64_t>(s) : states + begins[static_cast<size_t>(n) - 1] + places[s];
  }
  token = Tensor::from(of_row);
  row = Tensor::from(of_token);
  sequence = Tensor::from(by_length);
  place = Tensor::from(places);
  previous = Tensor::from(before);
  last = Tensor::from(lasts);
}

int64_t GruSteps::rows(int64_t step) const {
  if (step >= steps()) return 0;
  return begins[static_cast<size_t>(step) + 1] - begins[static_cast<size_t>(step)];
}

}  // namespace tessera::ops

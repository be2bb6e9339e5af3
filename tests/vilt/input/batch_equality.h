// Whether two steps are the same, bit for bit.
#pragma once

#include <vector>

#include "vilt/input/batch.h"

namespace tessera::tests {

template <class T>
bool equal(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.to_vector<T>() == b.to_vector<T>();
}

// Of tensors that only some batches have.
inline bool equal_or_absent(const Tensor& a, const Tensor& b) {
  return a.defined() == b.defined() && (!a.defined() || equal<int64_t>(a, b));
}

inline bool equal(const PretrainBatch& a, const PretrainBatch& b) {
  const ObjectiveTables &x = a.objectives, &y = b.objectives;
  const PackedBatch &p = a.packed, &q = b.packed;
  return a.sample_ids == b.sample_ids && equal<float>(p.patches, q.patches) &&
         equal<int64_t>(p.position_index, q.position_index) && equal<double>(p.position_weight, q.position_weight) &&
         equal<int64_t>(p.token_ids, q.token_ids) && equal<int64_t>(p.token_positions, q.token_positions) &&
         equal<int64_t>(p.token_types, q.token_types) && equal<int64_t>(p.cu_seqlens, q.cu_seqlens) &&
         equal<int64_t>(p.gather, q.gather) && equal<int64_t>(p.modality, q.modality) &&
         equal_or_absent(p.replaced_patches, q.replaced_patches) && equal_or_absent(x.target_rows, y.target_rows) &&
         equal_or_absent(x.target_colours, y.target_colours) && equal<int64_t>(x.masked_rows, y.masked_rows) &&
         equal<int64_t>(x.masked_labels, y.masked_labels) && equal<int64_t>(x.pair_rows, y.pair_rows) &&
         equal<int64_t>(x.pair_labels, y.pair_labels) && equal<int64_t>(x.word_rows, y.word_rows) &&
         equal<int64_t>(x.cu_words, y.cu_words) && equal<int64_t>(x.patch_rows, y.patch_rows) &&
         equal<int64_t>(x.cu_patches, y.cu_patches);
}

inline bool equal(const std::vector<PretrainBatch>& a, const std::vector<PretrainBatch>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (!equal(a[i], b[i])) return false;
  return true;
}

}  // namespace tessera::tests

// A small kernel with one bug of each kind in turn (planted_bugs.cu).
#pragma once

#include <cstdint>

namespace tessera::test {

enum class Bug {
  none,
  no_barrier_after_write,
  no_barrier_before_next_write,
  no_barrier_in_warp,
  plain_sum_in_block,
  plain_sum_between_blocks,
  reads_past_array,
  writes_past_array,
  writes_before_array,
  reads_past_static_shared,
  writes_past_dynamic_shared,
  misaligned_pack,
  unwritten_shared,
  unwritten_global,
  barrier_in_branch,
  different_barriers,
  uneven_barriers,
  shuffle_in_branch,
  shuffle_after_return,
  shuffle_from_absent_lane,
  lane_not_in_its_mask,
  block_too_large,
};

// x [n], 0 <= n <= 64 · blocks; out [64 · blocks]: each block's part of x, padded with zeros, in reverse order, plus
// the sum of the part; positive [1]: how many elements are above zero, added to what is there.
void run_planted(Bug bug, const float* x, float* out, int* positive, float* scratch, int n, int blocks);

}  // namespace tessera::test

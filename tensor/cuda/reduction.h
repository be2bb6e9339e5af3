// How a reduction over the middle of [outer, middle, inner] is cut into chunks. Include from .cu files.
#pragma once

#include "tensor/cuda/warp.h"

namespace tessera::cuda {

constexpr int kReductionWarps = 8, kReductionThreads = kReductionWarps * 32;
// Elements of a chunk: of one that lies in a run (inner = 1), and rows of one that does not.
constexpr int64_t kRunHeight = 1024, kColumnHeight = 256;

// What a block has to do where rows lie side by side: its lanes have 32 columns of a chunk.
struct ColumnTask {
  int64_t outer, chunk, begin, end, column;

  __device__ ColumnTask(int64_t middle, int64_t inner, int64_t chunks) {
    const int64_t blocks = (inner + 31) / 32, task = blockIdx.x / blocks;
    column = blockIdx.x % blocks * 32 + lane_index();
    outer = task / chunks;
    chunk = task % chunks;
    begin = chunk * kColumnHeight;
    end = min(begin + kColumnHeight, middle);
  }
};

inline unsigned column_blocks(int64_t outer, int64_t chunks, int64_t inner) {
  return static_cast<unsigned>(outer * chunks * ((inner + 31) / 32));
}

}  // namespace tessera::cuda

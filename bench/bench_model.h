// The models of `step`, `infer` and `adamw`, and the batches they are given.
#pragma once

#include "bench/bench.h"
#include "vilt/heads.h"
#include "vilt/input/batch.h"

namespace tessera::bench {

struct ModelSize {
  int64_t hidden, layers, heads, vocabulary, patch, words, grid_rows, grid_columns;
  int64_t table_side;  // of the position table; the peer's table has the size of the grid

  int64_t patches() const { return grid_rows * grid_columns; }
};

const ModelSize& model_size(const std::string& name);

ModelConfig make_config(const ModelSize& size);
// With every matrix and table drawn from a normal distribution of deviation 0.02.
ViltWithHeads make_model(const ModelSize& size, double dropout = 0);

// Returns the type of the activations. bf16: they are; high, tf32: all products of f32; f32 leaves the products of the
// CPU as the environment says.
DType use_precision(const std::string& precision, Device device);

struct MadeBatch {
  PretrainBatch batch;
  int64_t tokens = 0;  // real ones in one pass
};

// Contents are noise; what decides the cost follows the peer's formulas. Text b has max(4, int((0.2 + 0.29 u) words))
// tokens with u = (b + 0.5) / batch, image b int((0.88 + 0.12 v) patches) patches with v = ((7 b mod batch) + 0.5) /
// batch; all are full unless `ragged`. In each text the tokens 1, 8, 15, ... are masked. Even pairs are matched. With
// `both_passes` every text and image is there twice: for the masked words and for matching. With `levels` the patches
// are levels of 8 bits, as training on a GPU has them.
MadeBatch make_batch(const ModelSize& size, int batch, bool ragged, bool both_passes, bool levels = false);
// Of text or image `b`: tokens with [CLS] and [SEP], and patches.
struct PairLengths {
  int64_t words, patches;
};
PairLengths pair_lengths(const ModelSize& size, int batch, int b, bool ragged);
PatchedImage noise_image(const ModelSize& size, Grid grid, uint64_t number);

// Operations of one step when everything is padded to full length.
double step_flops(const ModelSize& size, int64_t batch, int64_t masked);

void bench_step(const Arguments& arguments);
void bench_infer(const Arguments& arguments);
void bench_rank(const Arguments& arguments);
void bench_adamw(const Arguments& arguments);

}  // namespace tessera::bench

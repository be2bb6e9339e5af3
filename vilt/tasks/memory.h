// How much memory a step of training takes, from shapes alone.
//
// It adds up what the tape keeps: the captures of the ops that a forward pass records, each rounded as the allocator
// rounds it, and what is alive on top of them at the busiest moment of backward. A test holds the result against the
// allocator's peak.
#pragma once

#include "vilt/heads.h"
#include "vilt/input/batch.h"
#include "vilt/tasks/downstream.h"

namespace tessera {

// What decides the memory of one micro-batch. Rows: tokens of both passes together, text tokens among them, patches of
// images (each image once).
struct StepShape {
  int64_t tokens = 0, text_tokens = 0, patches = 0;
  int64_t masked = 0;                                 // masked words
  int64_t pairs = 0;                                  // for matching and alignment
  int64_t words = 0, aligned_patches = 0, costs = 0;  // rows of the alignment and Σ words · patches over its pairs
  int64_t masked_patches = 0;
  int64_t classified = 0;  // samples of a classifier
};

StepShape shape_of(const PretrainBatch& batch);
// `pairs` pairs of `text` tokens and a full grid, seen twice; a share `mask_rate` of the words masked.
StepShape full_shape(int64_t pairs, int64_t text, Grid grid, double mask_rate);
StepShape shape_of(const DownstreamTask& task, const DownstreamBatch& batch);
// `samples` of a task, each picture with `texts` of `text` tokens.
StepShape full_shape(const DownstreamTask& task, int64_t samples, int64_t texts, int64_t text, Grid grid);

struct MemoryOptions {
  double dropout = 0;              // of the branches
  double activation_dropout = 0;   // after GELU
  bool checkpoint_blocks = false;  // blocks computed again in backward
  DType activations = DType::f32;  // or bf16
  bool split = false;              // f32 products of split operands (splits_f32_products())
};

// Bytes, as the allocator counts them.
struct StepMemory {
  int64_t parameters = 0, gradients = 0, moments = 0;
  int64_t copies = 0;       // packed copies of weights, in bf16 or split
  int64_t batch = 0;        // the packed micro-batch
  int64_t activations = 0;  // kept for backward: of the blocks ...
  int64_t others = 0;       // ... and of embeddings, heads and losses
  int64_t working = 0;      // on top at the peak

  int64_t peak() const { return parameters + gradients + moments + copies + batch + activations + others + working; }
};

// Parameters, gradients and moments are f32. `model` may be on the tape or not; its parameters are only counted.
StepMemory step_memory(ViltWithHeads& model, const StepShape& shape, const MemoryOptions& options);

}  // namespace tessera

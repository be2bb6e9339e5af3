#include "vilt/memory.h"

#include <algorithm>
#include <cmath>

#include "tensor/allocator.h"

namespace tessera {
namespace {

// A sum of tensors.
class Ledger {
 public:
  Ledger& f32(int64_t rows, int64_t columns, int64_t tensors = 1) { return add(rows * columns * 4, tensors); }
  Ledger& wide(int64_t rows, int64_t columns) { return add(rows * columns * 8, 1); }  // f64 and i64
  // Mean (in two parts) and reciprocal deviation of every row.
  Ledger& statistics(int64_t rows) { return f32(rows, 2).f32(rows, 1); }
  int64_t bytes() const { return bytes_; }

 private:
  Ledger& add(int64_t bytes, int64_t tensors) {
    bytes_ += tensors * allocated_bytes(bytes);
    return *this;
  }
  int64_t bytes_ = 0;
};

int64_t arena_elements(ViltWithHeads& model) {
  constexpr int64_t kAlignment = 16;
  int64_t elements = 0;
  model.visit("", [&](const std::string&, Variable& parameter) {
    elements += (parameter.value().numel() + kAlignment - 1) / kAlignment * kAlignment;
  });
  return elements;
}

int64_t batch_bytes(const ModelConfig& c, const StepShape& s) {
  Ledger batch;
  batch.f32(s.patches, c.patch_values()).wide(s.patches, 4).wide(s.patches, 4);  // patches, position taps and weights
  for (int i = 0; i < 3; ++i) batch.wide(s.text_tokens, 1);                      // ids, positions, segments
  for (int i = 0; i < 2; ++i) batch.wide(s.tokens, 1);                           // gather, modality
  return batch.wide(s.words, 1).wide(s.aligned_patches, 1).bytes();
}

// A block's captures: residual sum with its LayerNorm, q, k, v, the attention's result and log-sum-exp, the second
// sum with its LayerNorm, and the MLP's hidden layer before GELU and after it.
int64_t block_bytes(const ModelConfig& c, int64_t tokens) {
  const int64_t d = c.hidden_size;
  return Ledger()
      .f32(tokens, d, 2).statistics(tokens)
      .f32(tokens, 3 * d).f32(tokens, d).f32(tokens, c.num_attention_heads)
      .f32(tokens, d, 2).statistics(tokens)
      .f32(tokens, c.intermediate_size, 2)
      .bytes();
}

// Of a transform (linear, GELU, LayerNorm) of n rows and the linear layer after it: the rows, both sides of GELU, the
// normalised rows.
void keep_head(Ledger& kept, int64_t n, int64_t d) { kept.f32(n, d, 4).statistics(n); }

int64_t other_bytes(const ModelConfig& c, const StepShape& s) {
  const int64_t d = c.hidden_size;
  Ledger kept;
  kept.f32(s.text_tokens, d).statistics(s.text_tokens);  // text before its LayerNorm
  kept.f32(s.patches, 4);                                // position weights
  kept.f32(s.tokens, d, 2).statistics(s.tokens);         // the last sum and the final hidden states
  if (s.masked > 0) {
    keep_head(kept, s.masked, d);
    kept.f32(s.masked, c.vocab_size);  // logits
  }
  kept.f32(s.pairs, d, 2);                                // [CLS] rows and the pooler's result
  if (s.words > 0) kept.f32(s.words, d).f32(s.aligned_patches, d).f32(s.costs, 1, 2).wide(s.costs, 1);
  if (s.masked_patches > 0) {
    keep_head(kept, s.masked_patches, d);
    kept.f32(s.masked_patches, 3 * 256);
  }
  return kept.bytes();
}

// On top of what is kept, while the last block's MLP runs backward: the gradients of the residual, of the branch if dropout
// makes it another tensor, and of the hidden layer, or of the branch's input.
int64_t block_working_bytes(const ModelConfig& c, int64_t tokens, const MemoryOptions& options) {
  const int64_t d = c.hidden_size;
  const int64_t second = Ledger().f32(tokens, c.intermediate_size).bytes();
  return Ledger().f32(tokens, d, options.dropout > 0 ? 2 : 1).bytes() + second;
}

// The losses' backward: the gradients of the logits and, twice, of the hidden states.
int64_t loss_working_bytes(const ModelConfig& c, const StepShape& s) {
  return Ledger().f32(s.masked, c.vocab_size).f32(s.masked_patches, 3 * 256).f32(s.tokens, c.hidden_size, 2).bytes();
}

}  // namespace

StepShape shape_of(const PretrainBatch& batch) {
  StepShape s;
  s.tokens = batch.packed.tokens();
  s.text_tokens = batch.packed.token_ids.numel();
  s.patches = batch.packed.patches.size(0);
  s.masked = batch.masked();
  s.pairs = batch.pairs();
  s.masked_patches = batch.masked_patches();
  const ObjectiveTables& tables = batch.objectives;
  if (!tables.cu_words.defined()) return s;
  const std::vector<int64_t> words = tables.cu_words.to_vector<int64_t>(), patches = tables.cu_patches.to_vector<int64_t>();
  s.words = words.back();
  s.aligned_patches = patches.back();
  for (size_t i = 0; i + 1 < words.size(); ++i) s.costs += (words[i + 1] - words[i]) * (patches[i + 1] - patches[i]);
  return s;
}

StepShape full_shape(int64_t pairs, int64_t text, Grid grid, double mask_rate) {
  const int64_t patches = int64_t{grid.rows} * grid.columns, words = std::max<int64_t>(0, text - 2);
  StepShape s;
  s.tokens = 2 * pairs * (text + 1 + patches);
  s.text_tokens = 2 * pairs * text;
  s.patches = pairs * patches;
  s.masked = pairs * std::max<int64_t>(1, std::llround(mask_rate * static_cast<double>(words)));
  s.pairs = pairs;
  s.words = pairs * words;
  s.aligned_patches = pairs * patches;
  s.costs = s.words * patches;
  return s;
}

StepMemory step_memory(ViltWithHeads& model, const StepShape& shape, const MemoryOptions& options) {
  const ModelConfig& c = model.vilt.config;
  StepMemory out;
  const int64_t arena = allocated_bytes(4 * arena_elements(model));
  out.parameters = out.gradients = arena;
  out.moments = 2 * arena;
  out.batch = batch_bytes(c, shape);
  out.others = other_bytes(c, shape);
  const int64_t block = block_bytes(c, shape.tokens), layers = c.num_hidden_layers;
  const int64_t loss = loss_working_bytes(c, shape), last = layers > 0 ? block_working_bytes(c, shape.tokens, options) : 0;
  if (options.checkpoint_blocks && layers > 0) {
    // Residual and branch of every block but the first, which has no branch yet.
    out.activations = Ledger().f32(shape.tokens, c.hidden_size, 2 * layers - 1).bytes();
    // One block is there as a whole, with its result.
    out.working = std::max(loss, block + last + Ledger().f32(shape.tokens, c.hidden_size).bytes());
  } else {
    out.activations = layers * block;
    out.working = std::max(loss, last);
  }
  return out;
}

}  // namespace tessera

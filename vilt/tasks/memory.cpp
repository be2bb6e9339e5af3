#include "vilt/tasks/memory.h"

#include <algorithm>
#include <cmath>

#include "tensor/allocator.h"

namespace tessera {
namespace {

// A sum of tensors.
class Ledger {
 public:
  explicit Ledger(DType activations = DType::f32) : element_(size_of(activations)) {}
  Ledger& f32(int64_t rows, int64_t columns, int64_t tensors = 1) { return add(rows * columns * 4, tensors); }
  Ledger& activations(int64_t rows, int64_t columns, int64_t tensors = 1) {
    return add(rows * columns * element_, tensors);
  }
  Ledger& wide(int64_t rows, int64_t columns) { return add(rows * columns * 8, 1); }  // f64 and i64
  // Mean (in two parts) and reciprocal deviation of every row.
  Ledger& statistics(int64_t rows) { return f32(rows, 2).f32(rows, 1); }
  int64_t bytes() const { return bytes_; }

 private:
  Ledger& add(int64_t bytes, int64_t tensors) {
    bytes_ += tensors * allocated_bytes(bytes);
    return *this;
  }
  int64_t element_, bytes_ = 0;
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

int64_t copy_bytes(const ModelConfig& c, const StepShape& s, const MemoryOptions& options) {
  const int64_t d = c.hidden_size, hidden = c.intermediate_size;
  const int64_t element = options.activations == DType::bf16 ? 2 : options.split ? 4 : 0;
  const auto padded = [](int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; };
  // Of a linear layer's weight: the packed right operands of y = x Wᵀ and of dx = dy W, whose columns are padded to 16
  // and whose depth to 32.
  const auto copies_of = [&](int64_t out, int64_t in) {
    return allocated_bytes(element * padded(out, 16) * padded(in, 32)) +
           allocated_bytes(element * padded(in, 16) * padded(out, 32));
  };
  int64_t bytes = copies_of(3 * d, d) + copies_of(d, d) + copies_of(hidden, d) + copies_of(d, hidden);
  bytes *= c.num_hidden_layers;
  bytes += copies_of(d, c.patch_values()) / 2;  // pixels have no gradient
  if (s.masked > 0) bytes += copies_of(d, d) + copies_of(c.vocab_size, d);
  if (s.masked_patches > 0) bytes += copies_of(d, d) + copies_of(3 * 256, d);
  if (s.classified > 0) bytes += copies_of(2 * d, c.num_images * d) + copies_of(c.num_labels(), 2 * d);
  return bytes;
}

// A block's captures: residual sum with its LayerNorm, q, k, v, the attention's result and log-sum-exp, the second
// sum with its LayerNorm, and the MLP's hidden layer before GELU.
int64_t block_bytes(const ModelConfig& c, int64_t tokens, DType activations) {
  const int64_t d = c.hidden_size;
  return Ledger(activations)
      .activations(tokens, d, 2)
      .statistics(tokens)
      .activations(tokens, 3 * d)
      .activations(tokens, d)
      .f32(tokens, c.num_attention_heads)
      .activations(tokens, d, 2)
      .statistics(tokens)
      .activations(tokens, c.intermediate_size)
      .bytes();
}

// Of a transform (linear, GELU, LayerNorm) of n rows and the linear layer after it: the rows, both sides of GELU, the
// normalised rows.
void keep_head(Ledger& kept, int64_t n, int64_t d) { kept.activations(n, d, 4).statistics(n); }

int64_t other_bytes(const ModelConfig& c, const StepShape& s, DType activations) {
  const int64_t d = c.hidden_size;
  Ledger kept(activations);
  kept.f32(s.text_tokens, d).statistics(s.text_tokens);   // text before its LayerNorm
  kept.f32(s.patches, 4);                                 // position weights
  kept.activations(s.tokens, d, 2).statistics(s.tokens);  // the last sum and the final hidden states
  if (activations == DType::bf16) kept.activations(s.patches, c.patch_values());
  if (s.masked > 0) {
    keep_head(kept, s.masked, d);
    kept.activations(s.masked, c.vocab_size);  // logits
  }
  kept.f32(s.pairs, d, 2);  // [CLS] rows and the pooler's result
  if (s.words > 0) kept.f32(s.words, d).f32(s.aligned_patches, d).f32(s.costs, 1, 2).wide(s.costs, 1);
  if (s.masked_patches > 0) {
    keep_head(kept, s.masked_patches, d);
    kept.activations(s.masked_patches, 3 * 256);
  }
  // Both sides of the LayerNorm and of GELU, and the logits.
  if (s.classified > 0)
    kept.activations(s.classified, 2 * d, 3).statistics(s.classified).activations(s.classified, c.num_labels());
  return kept.bytes();
}

// On top of what is kept, while the last block's MLP runs backward: the gradients of the residual, of the branch if
// dropout makes it another tensor, and of the hidden layer before GELU; the hidden layer itself, computed again, and
// where products take packed operands a copy of it for the weight's gradient.
int64_t block_working_bytes(const ModelConfig& c, int64_t tokens, const MemoryOptions& options) {
  return Ledger(options.activations)
      .activations(tokens, c.hidden_size, options.dropout > 0 ? 2 : 1)
      .activations(tokens, c.intermediate_size, options.activations == DType::bf16 || options.split ? 3 : 2)
      .bytes();
}

// The losses' backward: the gradients of the logits and, twice, of the hidden states.
int64_t loss_working_bytes(const ModelConfig& c, const StepShape& s, DType activations) {
  return Ledger(activations)
      .activations(s.masked, c.vocab_size)
      .activations(s.masked_patches, 3 * 256)
      .activations(s.classified, c.num_labels())
      .activations(s.tokens, c.hidden_size, 2)
      .bytes();
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
  const std::vector<int64_t> words = tables.cu_words.to_vector<int64_t>(),
                             patches = tables.cu_patches.to_vector<int64_t>();
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

StepShape shape_of(const DownstreamTask& task, const DownstreamBatch& batch) {
  StepShape s;
  s.tokens = batch.packed.tokens();
  s.text_tokens = batch.packed.token_ids.numel();
  s.patches = batch.packed.patches.size(0);
  s.pairs = batch.rows.numel();
  s.classified = task.classifies ? batch.samples : 0;
  return s;
}

StepShape full_shape(const DownstreamTask& task, int64_t samples, int64_t texts, int64_t text, Grid grid) {
  const int64_t patches = int64_t{grid.rows} * grid.columns;
  StepShape s;
  s.pairs = samples * task.images * texts;
  s.tokens = s.pairs * (text + 1 + patches);
  s.text_tokens = s.pairs * text;
  s.patches = samples * task.images * patches;
  s.classified = task.classifies ? samples : 0;
  return s;
}

StepMemory step_memory(ViltWithHeads& model, const StepShape& shape, const MemoryOptions& options) {
  const ModelConfig& c = model.vilt.config;
  StepMemory out;
  const int64_t arena = allocated_bytes(4 * arena_elements(model));
  out.parameters = out.gradients = arena;
  out.moments = 2 * arena;
  out.batch = batch_bytes(c, shape);
  if (options.activations == DType::bf16 || options.split) out.copies = copy_bytes(c, shape, options);
  out.others = other_bytes(c, shape, options.activations);
  const int64_t block = block_bytes(c, shape.tokens, options.activations), layers = c.num_hidden_layers;
  const int64_t loss = loss_working_bytes(c, shape, options.activations);
  const int64_t last = layers > 0 ? block_working_bytes(c, shape.tokens, options) : 0;
  if (options.checkpoint_blocks && layers > 0) {
    // Residual and branch of every block but the first, which has no branch yet.
    const Ledger ledger(options.activations);
    out.activations = Ledger(ledger).activations(shape.tokens, c.hidden_size, 2 * layers - 1).bytes();
    // One block is there as a whole, with its result.
    out.working = std::max(loss, block + last + Ledger(ledger).activations(shape.tokens, c.hidden_size).bytes());
  } else {
    out.activations = layers * block;
    out.working = std::max(loss, last);
  }
  return out;
}

}  // namespace tessera

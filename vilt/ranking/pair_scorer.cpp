#include "vilt/ranking/pair_scorer.h"

#include <numeric>

#include "autograd/finite.h"
#include "autograd/tape.h"

namespace tessera {
namespace {

constexpr int64_t kTextTokens = 4096;     // that are embedded together
constexpr size_t kPicturesTogether = 16;  // likewise

// Rows [first, first + count) of a layer, as a layer of its own: a root of its own has its own packed copies.
Linear part_of(const Linear& layer, int64_t first, int64_t count) {
  Linear part;
  part.weight = Variable(layer.weight.value().narrow(0, first, count).as_root());
  if (layer.bias.defined()) part.bias = Variable(layer.bias.value().narrow(0, first, count).as_root());
  return part;
}

// Appends `part` to `all`, where its rows follow in their order.
struct RowsInParts {
  std::vector<Variable> embedded, qkv;
  std::vector<int64_t> marks{0};

  void add(const TokenRows& part) {
    embedded.emplace_back(part.embedded);
    qkv.emplace_back(part.qkv);
    for (size_t i = 1; i < part.marks.size(); ++i) marks.push_back(marks.back() + part.marks[i] - part.marks[i - 1]);
  }
  TokenRows all() {
    if (embedded.size() == 1) return {embedded[0].value(), qkv[0].value(), std::move(marks)};
    return {concatenate(embedded, 0).value(), concatenate(qkv, 0).value(), std::move(marks)};
  }
};

}  // namespace

PairScorer::PairScorer(const ViltWithHeads& model, const ForwardContext& context) : model_(model), context_(context) {
  check(model.rank || model.matching,
        "ranking: the model has neither a head for retrieval (rank_output) nor one for "
        "matching (itm_score)");
  check(!model.vilt.blocks.empty(), "ranking: the model has no layers");
  const Linear& qkv = model.vilt.blocks.back().attention.qkv;
  const int64_t hidden = model.vilt.config.hidden_size;
  query_ = part_of(qkv, 0, hidden);
  key_value_ = part_of(qkv, hidden, 2 * hidden);
}

TokenRows PairScorer::rows(const PackedBatch& batch, const std::vector<int64_t>& index,
                           std::vector<int64_t> marks) const {
  const Variable embedded = gather_rows({model_.vilt.embed(batch, context_)}, Tensor::from(index));
  const TransformerBlock& first = model_.vilt.blocks.front();
  return {embedded.value(), first.attention.qkv(first.attention_norm(embedded)).value(), std::move(marks)};
}

// A sequence needs a picture: one of a single patch, whose rows are left out.
TokenRows PairScorer::texts(std::span<const std::vector<int64_t>> ids) const {
  const NoGrad guard;
  const ModelConfig& config = model_.vilt.config;
  RowsInParts parts;
  for (size_t first = 0; first < ids.size();) {
    BatchBuilder builder(config.patch_values(), config.table_side());
    const int blank = builder.add_image({1, 1}, [](std::span<float> values) { std::ranges::fill(values, 0.0f); });
    std::vector<int64_t> index, marks{0};
    for (; first < ids.size() && static_cast<int64_t>(index.size()) < kTextTokens; ++first) {
      const int64_t begin = builder.sequence(builder.add_sequence(ids[first], blank)).begin;
      for (size_t t = 0; t < ids[first].size(); ++t) index.push_back(begin + static_cast<int64_t>(t));
      marks.push_back(static_cast<int64_t>(index.size()));
    }
    parts.add(rows(builder.finish(), index, std::move(marks)));
  }
  return parts.all();
}

// A sequence needs a text: two tokens, whose rows are left out.
TokenRows PairScorer::pictures(std::span<const std::shared_ptr<const PatchedImage>> pictures) const {
  const NoGrad guard;
  const ModelConfig& config = model_.vilt.config;
  RowsInParts parts;
  const std::vector<int64_t> blank{0, 0};
  for (size_t first = 0; first < pictures.size();) {
    BatchBuilder builder(config.patch_values(), config.table_side());
    std::vector<int64_t> index, marks{0};
    for (const size_t end = std::min(first + kPicturesTogether, pictures.size()); first < end; ++first) {
      const int sequence = builder.add_sequence(blank, builder.add_image(*pictures[first]));
      const SequenceLayout& layout = builder.sequence(sequence);
      for (int64_t row = layout.text_length; row < layout.length(); ++row) index.push_back(layout.begin + row);
      marks.push_back(static_cast<int64_t>(index.size()));
    }
    parts.add(rows(builder.finish(), index, std::move(marks)));
  }
  return parts.all();
}

PairScorer::Packed PairScorer::pack(const TokenRows& texts, const TokenRows& pictures,
                                    std::span<const Pair> pairs) const {
  std::vector<int64_t> index, marks{0}, classes, class_marks(pairs.size() + 1);
  const auto add = [&index](const TokenRows& rows, int64_t which, int64_t before) {
    const auto place = static_cast<size_t>(which);
    for (int64_t row = rows.marks[place]; row < rows.marks[place + 1]; ++row) index.push_back(before + row);
  };
  for (const Pair& pair : pairs) {
    classes.push_back(marks.back());
    add(texts, pair.text, 0);
    add(pictures, pair.picture, texts.marks.back());
    marks.push_back(static_cast<int64_t>(index.size()));
  }
  std::iota(class_marks.begin(), class_marks.end(), 0);
  const Tensor rows = Tensor::from(index);
  return {gather_rows({Variable(texts.embedded), Variable(pictures.embedded)}, rows),
          gather_rows({Variable(texts.qkv), Variable(pictures.qkv)}, rows), Tensor::from(marks), Tensor::from(classes),
          Tensor::from(class_marks)};
}

// The final hidden states at [CLS], [pairs, hidden].
Variable PairScorer::class_rows(const Packed& packed) const {
  const Vilt& vilt = model_.vilt;
  const int64_t hidden = vilt.config.hidden_size, heads = vilt.config.num_attention_heads;
  const auto mlp_half = [&](const TransformerBlock& block, const Stream& stream) -> Stream {
    const AddLayerNorm x = add_layer_norm(stream, block.mlp_norm, context_);
    return {x.sum, block.mlp(x.normalised, context_)};
  };
  // Attention of [CLS] alone, and what follows it.
  const auto last = [&](const Variable& residual, const Variable& query, const Variable& key_value) {
    const TransformerBlock& block = vilt.blocks.back();
    const Variable seen = cross_attention(query, key_value, packed.class_marks, packed.marks, heads);
    const Variable at_class = gather_rows({residual}, packed.classes);
    return add_layer_norm(mlp_half(block, {at_class, block.attention.output(seen)}), vilt.layer_norm, context_)
        .normalised;
  };
  if (vilt.blocks.size() == 1)
    return last(packed.embedded, narrow(gather_rows({packed.qkv}, packed.classes), 1, 0, hidden),
                narrow(packed.qkv, 1, hidden, 2 * hidden));
  const SelfAttention& attention = vilt.blocks.front().attention;
  Stream stream = mlp_half(vilt.blocks.front(),
                           {packed.embedded, attention.output(self_attention(packed.qkv, packed.marks, heads))});
  for (size_t i = 1; i + 1 < vilt.blocks.size(); ++i) stream = vilt.blocks[i](stream, packed.marks, context_);
  const AddLayerNorm x = add_layer_norm(stream, vilt.blocks.back().attention_norm, context_);
  return last(x.sum, query_(gather_rows({x.normalised}, packed.classes)), key_value_(x.normalised));
}

std::vector<double> PairScorer::scores(const TokenRows& texts, const TokenRows& pictures,
                                       std::span<const Pair> pairs) const {
  const NoGrad guard;
  const Variable hidden = class_rows(pack(texts, pictures, pairs));
  std::vector<int64_t> every(pairs.size());
  std::iota(every.begin(), every.end(), 0);
  const Tensor rows = Tensor::from(every);
  const Variable logits = model_.rank ? model_.rank_scores(hidden, rows) : model_.matching_logits(hidden, rows);
  const Tensor values = logits.value().to(Device{}).to(DType::f64);
  check(all_finite(values), model_.rank ? "rank_output" : "itm_score",
        ": the model's output is not finite; are the weights damaged?");
  return values.select(1, values.size(1) - 1).to_vector<double>();
}

}  // namespace tessera

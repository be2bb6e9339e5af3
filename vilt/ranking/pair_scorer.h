// Scores of many pairs of a text and a picture, with everything that is the same in several pairs computed once.
//
// What block 0 reads of a token, and what its LayerNorm and its projection to queries, keys and values make of that,
// depends on the token alone: a text's rows are the same with every picture, a picture's with every text. They are
// computed once, and a pair begins with the attention of block 0. The score needs nothing of the last block but its
// row at [CLS]: keys and values come from all rows there, the query, its attention and the MLP from that one.
//
// The scores are those of rank_scores (vilt/ask/questions.h) to rounding: each sum has the same terms, products of
// other shapes may add them in another order. Pairs are packed one after another, each at its own length: nothing is
// padded.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "vilt/heads.h"
#include "vilt/ranking/pair.h"

namespace tessera {

// The rows of several texts, or of several pictures, as block 0 reads them.
struct TokenRows {
  Tensor embedded;             // [rows, hidden], with positions and modality
  Tensor qkv;                  // [rows, 3 · hidden]: queries, keys and values of block 0
  std::vector<int64_t> marks;  // [count + 1]: where each begins

  int64_t bytes() const { return embedded.bytes() + qkv.bytes(); }
};

class PairScorer {
 public:
  // A model without rank_output ranks by logit(match) of its matching head; one with neither is an error. The model
  // must outlive the scorer and stay as it is. `context` says how it computes.
  PairScorer(const ViltWithHeads& model, const ForwardContext& context);

  // `ids` with [CLS] and [SEP].
  TokenRows texts(std::span<const std::vector<int64_t>> ids) const;
  TokenRows pictures(std::span<const std::shared_ptr<const PatchedImage>> pictures) const;

  // One batch: the score of each pair, higher is better. Not finite is an error. May be called by several threads.
  std::vector<double> scores(const TokenRows& texts, const TokenRows& pictures, std::span<const Pair> pairs) const;

  const ViltWithHeads& model() const { return model_; }

 private:
  // Packed rows of a batch, and where its sequences begin.
  struct Packed {
    Variable embedded, qkv;
    Tensor marks, classes, class_marks;  // i64: of the sequences; rows of [CLS]; 0, 1, … pairs
  };
  TokenRows rows(const PackedBatch& batch, const std::vector<int64_t>& index, std::vector<int64_t> marks) const;
  Packed pack(const TokenRows& texts, const TokenRows& pictures, std::span<const Pair> pairs) const;
  Variable class_rows(const Packed& packed) const;

  const ViltWithHeads& model_;
  ForwardContext context_;
  Linear query_, key_value_;  // of the last block, apart
};

}  // namespace tessera

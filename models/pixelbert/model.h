// Pixel-BERT (Huang, Zeng, Liu, Fu, Fu: "Pixel-BERT: Aligning Image Pixels with Text by Deep Multi-Modal Transformers",
// 2020): the last feature map of a residual network, each of its cells a token, and a text's words go through one BERT.
// Of the classes that ViLT's paper tells apart it has the heavy visual embedder without regions: a grid.
//
// There is no published code. Names in memory: visual.backbone.* (torchvision's), visual.conv.*,
// visual.semantic_embedding, and for the transformer Hugging Face's of BertForPreTraining but for the fused projection
// of queries, keys and values (models/parts/bert.h).
#pragma once

#include <optional>
#include <vector>

#include "models/pixelbert/config.h"
#include "nn/linear.h"

namespace tessera {

// Cells of one picture: a run of rows of one of several tables.
struct CellRange {
  int64_t table = 0, first = 0, count = 0;
};

// What the network makes of n pictures of one size.
struct PixelGrids {
  Variable features;  // [n, channels, height, width], the last feature map
  Variable pixels;    // [n · rows · columns, hidden], row by row, a picture after the other
  int64_t rows = 0, columns = 0;

  int64_t cells() const { return rows * columns; }
  // Where one picture's cells lie, where `pixels` are table `table`.
  CellRange range(int64_t picture, int64_t table = 0) const { return {table, picture * cells(), cells()}; }
  // The cells of one picture: [cells, hidden].
  Variable of(int64_t picture) const { return narrow(pixels, 0, picture * cells(), cells()); }
};

// Text and cells of each pair, packed: a pair's words, then its cells in the order in which they are given.
struct PixelBertPairs {
  std::vector<std::vector<int64_t>> texts;  // ids, the first of each the one that stands for the pair
  // Tables of cells, [cells, hidden] each: the pictures of one size lie in one. Pairs that have a picture in common
  // read the same rows.
  std::vector<Variable> pixels;
  std::vector<CellRange> pictures;  // of each pair its picture
  // Which cells are seen, by their place in the grid, row by row. In pre-training a random sample, in fine-tuning all.
  std::vector<std::vector<int64_t>> selected;
};

struct PixelBert {
  PixelBertConfig config;
  ResNet backbone;
  Conv2d projection;  // visual.conv [hidden, channels, 1, 1]
  Variable semantic;  // visual.semantic_embedding [hidden]: tells cells from words
  std::optional<Embedding> row_embeddings, column_embeddings;
  BertEmbeddings embeddings;  // of words; cells have no norm of their own
  std::vector<TransformerBlock> blocks;
  Linear pooler;
  Linear transform;  // cls.predictions: the decoder is the table of words
  LayerNorm transform_norm;
  Variable decoder_bias;
  Linear match;  // cls.seq_relationship; class 1 is a pair

  explicit PixelBert(const PixelBertConfig& config);

  // pictures [n, 3, height, width], normalised. `training`: batch statistics, towards which the running ones move.
  // A picture that leaves no cell is an error.
  PixelGrids grids(const Variable& pictures, bool training) const;
  // The second half of it: features [n, channels, height, width], the network's last map.
  PixelGrids cells(const Variable& features) const;

  struct Output {
    Variable embedding;            // [tokens, hidden], the input of the first block
    std::vector<Variable> layers;  // after each block, [tokens, hidden]
    Variable pooled;               // [pairs, hidden], tanh of the first token
    Tensor cu_seqlens;             // i64 [pairs + 1]
  };
  // An empty text, one longer than the position table and a cell that is not in the grid are errors; no cells are not.
  Output operator()(const PixelBertPairs& pairs, const ForwardContext& context) const;
  // Scores of the words at the given rows of the last layer: [rows, vocabulary].
  Variable word_scores(const Output& output, const Tensor& rows) const;
  // [pairs, 2].
  Variable match_scores(const Output& output) const { return match(output.pooled); }

  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

}  // namespace tessera

#include "models/pixelbert/model.h"

namespace tessera {
namespace {

// What lies where in a batch of pairs.
struct PackedPairs {
  std::vector<int64_t> ids, positions;  // of all words
  std::vector<int64_t> order;           // for each token its row of: all words, then each pair's cells
  std::vector<int64_t> marks{0};
};

void check_lengths(const PixelBertPairs& pairs, const BertConfig& config) {
  const size_t count = pairs.texts.size();
  check(count > 0 && pairs.pictures.size() == count && pairs.selected.size() == count, "pixelbert: ", count, " texts, ",
        pairs.pictures.size(), " pictures and ", pairs.selected.size(),
        " selections of cells, expected as many and at least one");
  for (size_t i = 0; i < count; ++i) {
    const auto length = static_cast<int64_t>(pairs.texts[i].size());
    check(length > 0 && length <= config.max_position_embeddings, "pixelbert: text ", i, " has ", length,
          " words, expected 1 to ", config.max_position_embeddings);
    const CellRange& picture = pairs.pictures[i];
    const bool exists = picture.table >= 0 && picture.table < static_cast<int64_t>(pairs.pixels.size());
    check(exists && picture.first >= 0 && picture.count >= 0 &&
              picture.first + picture.count <= pairs.pixels[static_cast<size_t>(picture.table)].size(0),
          "pixelbert: picture ", i, " is cells ", picture.first, " to ", picture.first + picture.count, " of table ",
          picture.table, ", which are not there");
  }
}

PackedPairs packed(const PixelBertPairs& pairs, const BertConfig& config) {
  check_lengths(pairs, config);
  PackedPairs out;
  std::vector<int64_t> before;  // rows in front of each table: all words, then the tables one after another
  int64_t rows = 0;
  for (const std::vector<int64_t>& words : pairs.texts) rows += static_cast<int64_t>(words.size());
  for (const Variable& table : pairs.pixels) {
    before.push_back(rows);
    rows += table.size(0);
  }
  for (size_t i = 0; i < pairs.texts.size(); ++i) {
    for (size_t position = 0; position < pairs.texts[i].size(); ++position) {
      out.order.push_back(static_cast<int64_t>(out.ids.size()));
      out.ids.push_back(pairs.texts[i][position]);
      out.positions.push_back(static_cast<int64_t>(position));
    }
    const CellRange& picture = pairs.pictures[i];
    for (const int64_t cell : pairs.selected[i]) {
      check(cell >= 0 && cell < picture.count, "pixelbert: cell ", cell, " of picture ", i, ", which has ",
            picture.count);
      out.order.push_back(before[static_cast<size_t>(picture.table)] + picture.first + cell);
    }
    out.marks.push_back(static_cast<int64_t>(out.order.size()));
  }
  return out;
}

}  // namespace

PixelBert::PixelBert(const PixelBertConfig& c)
    : config(c),
      backbone(c.cnn),
      projection(c.cnn.features(), c.bert.hidden_size, 1),
      semantic(zero_parameter({c.bert.hidden_size})),
      embeddings(c.bert),
      blocks(static_cast<size_t>(c.bert.num_hidden_layers), TransformerBlock()),
      pooler(c.bert.hidden_size, c.bert.hidden_size),
      transform(c.bert.hidden_size, c.bert.hidden_size),
      transform_norm(c.bert.hidden_size, c.bert.layer_norm_eps),
      decoder_bias(zero_parameter({c.bert.vocab_size})),
      match(c.bert.hidden_size, 2) {
  c.validate();
  if (c.position_rows > 0) {
    row_embeddings.emplace(c.position_rows, c.bert.hidden_size);
    column_embeddings.emplace(c.position_columns, c.bert.hidden_size);
  }
  for (TransformerBlock& block : blocks) block = TransformerBlock(c.bert.block());
}

PixelGrids PixelBert::grids(const Variable& pictures, bool training) const {
  check(pictures.shape().dim() == 4 && pictures.size(1) == 3, "pixelbert: pictures are ", pictures.shape(),
        ", expected [n, 3, height, width]");
  config.grid({pictures.size(2), pictures.size(3)});
  return cells(backbone(pictures, training).stages.back());
}

PixelGrids PixelBert::cells(const Variable& features) const {
  PixelGrids out;
  out.features = features;
  const int64_t n = features.size(0), halves = config.pool ? 2 : 1;
  out.rows = features.size(2) / halves;
  out.columns = features.size(3) / halves;
  const Variable map = config.pool ? max_pool2d(features, {.kernel = 2, .stride = 2}) : features;
  out.pixels = reshape(contiguous(permute(projection(map), {0, 2, 3, 1})), {n * out.cells(), config.bert.hidden_size});
  if (row_embeddings) {
    std::vector<int64_t> row, column;
    for (int64_t i = 0; i < n * out.cells(); ++i) {
      row.push_back(i % out.cells() / out.columns);
      column.push_back(i % out.columns);
    }
    out.pixels = out.pixels + (*row_embeddings)(Tensor::from(row)) + (*column_embeddings)(Tensor::from(column));
  }
  out.pixels = out.pixels + semantic;
  return out;
}

PixelBert::Output PixelBert::operator()(const PixelBertPairs& pairs, const ForwardContext& context) const {
  const PackedPairs batch = packed(pairs, config.bert);
  const Tensor ids = Tensor::from(batch.ids);
  std::vector<Variable> sources{embeddings(ids, Tensor::from(batch.positions), Tensor::zeros_like(ids), context)};
  sources.insert(sources.end(), pairs.pixels.begin(), pairs.pixels.end());
  Output out;
  out.cu_seqlens = Tensor::from(batch.marks);
  out.embedding = gather_rows(sources, Tensor::from(batch.order));
  Stream stream{out.embedding, {}};
  for (const TransformerBlock& block : blocks) {
    stream = context.checkpoint_blocks ? block.checkpointed(stream, out.cu_seqlens, context)
                                       : block(stream, out.cu_seqlens, context);
    out.layers.push_back(stream.residual);
  }
  const Tensor firsts = out.cu_seqlens.narrow(0, 0, static_cast<int64_t>(pairs.texts.size())).contiguous();
  out.pooled = tanh(pooler(gather_rows({stream.residual}, firsts)));
  return out;
}

Variable PixelBert::word_scores(const Output& output, const Tensor& rows) const {
  const Variable& last = output.layers.empty() ? output.embedding : output.layers.back();
  const Variable states = gather_rows({last}, rows);
  return linear(transform_norm(gelu(transform(states))), embeddings.word_embeddings.weight, decoder_bias);
}

void PixelBert::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  backbone.visit(join_name(prefix, "visual.backbone"), visitor);
  projection.visit(join_name(prefix, "visual.conv"), visitor);
  visitor(join_name(prefix, "visual.semantic_embedding"), semantic);
  if (row_embeddings) {
    row_embeddings->visit(join_name(prefix, "visual.row_embeddings"), visitor);
    column_embeddings->visit(join_name(prefix, "visual.column_embeddings"), visitor);
  }
  embeddings.visit(join_name(prefix, "bert.embeddings"), visitor);
  visit_blocks(blocks, join_name(prefix, "bert"), bert_block_names(), visitor);
  pooler.visit(join_name(prefix, "bert.pooler.dense"), visitor);
  transform.visit(join_name(prefix, "cls.predictions.transform.dense"), visitor);
  transform_norm.visit(join_name(prefix, "cls.predictions.transform.LayerNorm"), visitor);
  visitor(join_name(prefix, "cls.predictions.bias"), decoder_bias);
  match.visit(join_name(prefix, "cls.seq_relationship"), visitor);
}

}  // namespace tessera

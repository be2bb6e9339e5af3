// pixelbert_running_stats, pixelbert_batch_norm: Pixel-BERT with a residual network by its running statistics, on
// pictures of several sizes, and in training, on a batch: feature maps, cells, states after every block, scores,
// losses, all gradients, the running statistics afterwards.
#include "models/pixelbert/model.h"
#include "tests/golden/device.h"
#include "tests/golden/model_case.h"
#include "tests/golden/padded_case.h"
#include "tests/gradient_state.h"

namespace tessera::golden {
namespace {

PixelBertConfig pixelbert_config(const nlohmann::json& config) {
  const nlohmann::json& bert = config.at("config");
  PixelBertConfig out;
  out.bert = {.vocab_size = bert.at("vocab_size"),
              .hidden_size = bert.at("hidden_size"),
              .num_hidden_layers = bert.at("num_hidden_layers"),
              .num_attention_heads = bert.at("num_attention_heads"),
              .intermediate_size = bert.at("intermediate_size"),
              .max_position_embeddings = bert.at("max_position_embeddings"),
              .type_vocab_size = bert.at("type_vocab_size"),
              .layer_norm_eps = config.at("layer_norm_eps"),
              .hidden_dropout_prob = 0,
              .attention_probs_dropout_prob = 0};
  out.cnn = {.bottleneck = true,
             .layers = config.at("resnet").get<std::vector<int64_t>>(),
             .widths = config.at("planes").get<std::vector<int64_t>>(),
             .stem = config.at("stem")};
  out.pool = config.at("pool");
  if (config.at("position") == "learned_2d") {
    out.position_rows = config.at("max_grid")[0];
    out.position_columns = config.at("max_grid")[1];
  }
  return out;
}

struct PixelBertCase : ModelCase {
  using ModelCase::ModelCase;
  int64_t pairs() const { return file.at("txt_lens").size(0); }
  Tensor picture(int64_t i, DType dtype) const {
    const Tensor one = file.at(text("image.", i)).to(dtype);
    return one.view({1, one.size(0), one.size(1), one.size(2)});
  }
};

// The network on all pictures as one batch, or on one after the other.
std::vector<PixelGrids> grids_of(PixelBertCase& golden, const PixelBert& model, DType dtype, bool training) {
  std::vector<PixelGrids> out;
  std::vector<Variable> pictures;
  for (int64_t i = 0; i < golden.pairs(); ++i) pictures.emplace_back(golden.picture(i, dtype).to(computed_on));
  if (training)
    out.push_back(model.grids(concatenate(pictures, 0), true));
  else
    for (const Variable& picture : pictures) out.push_back(model.grids(picture, false));
  return out;
}

PixelBertPairs pairs_of(PixelBertCase& golden, const PixelBert& model, DType dtype) {
  const bool training = golden.config.at("batch_norm") == "batch";
  const std::vector<PixelGrids> grids = grids_of(golden, model, dtype, training);
  PixelBertPairs out;
  for (const PixelGrids& grid : grids) out.pixels.push_back(grid.pixels);
  for (int64_t i = 0; i < golden.pairs(); ++i) {
    const PixelGrids& grid = grids[training ? 0 : static_cast<size_t>(i)];
    const int64_t at = training ? i : 0;
    const Grid expected = grid_of(golden.file.at("grids"), i);
    check(grid.rows == expected.rows && grid.columns == expected.columns, "picture ", i, ": a grid of ", grid.rows,
          " x ", grid.columns, ", expected ", expected.rows, " x ", expected.columns);
    golden.compare(text("c5.", i), grid.features.value().select(0, at));
    golden.compare(text("pixels.", i), grid.of(at));
    out.pictures.push_back(grid.range(at, training ? 0 : i));
    out.texts.push_back(row_values(golden.file.at("input_ids"), i, count_ones(golden.file.at("attention_mask"), i)));
    out.selected.push_back(golden.file.at(text("select.", i)).to_vector<int64_t>());
  }
  return out;
}

void compare_pixelbert(PixelBertCase& golden, DType dtype) {
  PixelBert model(pixelbert_config(golden.config));
  ParameterSet parameters(model, dtype, "", computed_on);
  std::map<std::string, Tensor> state = split_qkv(parameters.state());
  const std::string differences = compare_state(state, golden.weights);
  check(differences.empty(), differences);
  for (auto& [name, tensor] : state) tensor.copy_(golden.weights.at(name));

  const PixelBertPairs pairs = pairs_of(golden, model, dtype);
  const PixelBert::Output out = model(pairs, {});
  golden.compare("cu_seqlens", out.cu_seqlens);
  golden.compare("embedding", out.embedding);
  for (size_t i = 0; i < out.layers.size(); ++i) golden.compare(text("layer.", i), out.layers[i]);
  golden.compare("pooled", out.pooled);

  const Tensor& all_labels = golden.file.at("labels");
  const std::vector<int64_t> begins = out.cu_seqlens.to_vector<int64_t>();
  std::vector<int64_t> rows, labels;
  for (size_t i = 0; i < pairs.texts.size(); ++i) {
    const std::vector<int64_t> of_text = row_values(all_labels, static_cast<int64_t>(i), all_labels.size(1));
    for (size_t j = 0; j < of_text.size(); ++j)
      if (of_text[j] != -100) {
        rows.push_back(begins[i] + static_cast<int64_t>(j));
        labels.push_back(of_text[j]);
      }
  }
  const Variable words = model.word_scores(out, Tensor::from(rows)), match = model.match_scores(out);
  golden.compare("lm_scores", words);
  golden.compare("match_scores", match);
  const Variable mlm = cross_entropy(words, Tensor::from(labels));
  const Variable itm = cross_entropy(match, golden.file.at("is_match"));
  const Variable loss = mlm + itm;
  golden.compare("loss.mlm", mlm);
  golden.compare("loss.itm", itm);
  golden.compare("loss", loss);
  loss.backward();
  for (const auto& [name, gradient] : split_qkv(tests::gradient_state(parameters)))
    golden.compare("grad." + name, gradient);
  for (const auto& [name, tensor] : parameters.state())
    if (golden.file.contains("after." + name)) golden.compare("after." + name, tensor);
}

}  // namespace

Outcome run_pixelbert(const std::filesystem::path& directory) {
  PixelBertCase golden(directory);
  for (const DType dtype : computed_dtypes()) compare_pixelbert(golden, dtype);
  return golden.comparison.outcome();
}

}  // namespace tessera::golden

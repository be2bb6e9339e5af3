// uniter_*: UNITER's embeddings, states of every layer, pooled outputs, what each head says, its loss and the gradients
// of all parameters, task by task. The files pad their texts and regions; here they are packed.
#include "models/uniter/heads.h"
#include "models/uniter/losses.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"
#include "tests/golden/json.h"
#include "tests/golden/padded_case.h"
#include "tests/gradient_state.h"

namespace tessera::golden {
namespace {

UniterHeads uniter_heads(const std::string& task) {
  return {.words = task == "mlm",
          .region_features = task == "mrfr",
          .region_classes = task == "mrc" || task == "mrckl",
          .matching = task == "itm",
          .answers = task == "vqa",
          .pair = task == "nlvr2_pair",
          .paired_attention = task == "nlvr2_paired_attn",
          .rank = task == "retrieval"};
}

struct UniterCase {
  std::filesystem::path directory;
  nlohmann::json settings = read_json(directory / "config.json");
  std::string task = settings.at("task");
  SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  UniterConfig config = UniterConfig::from_json(settings.at("config").dump(), "config.json");
  UniterBatch batch = UniterBatch::of(samples(), config);
  Comparison comparison{directory};

  std::vector<UniterSample> samples() const {
    std::vector<UniterSample> out;
    const int64_t count = file.at("input_ids").size(0);
    for (int64_t i = 0; i < count; ++i) {
      const auto length = [&](const char* name) { return file.at(name).select(0, i).item<int64_t>(); };
      const int64_t regions = length("num_bbs");
      const auto rows = [&](const char* name) { return file.at(name).select(0, i).narrow(0, 0, regions); };
      UniterSample sample{.ids = row_values(file.at("input_ids"), i, length("txt_lens")),
                          .features = rows("img_feat"),
                          .places = rows("img_pos_feat")};
      if (file.contains("img_masks")) {
        const std::vector<int64_t> masks = row_values(file.at("img_masks"), i, regions);
        for (int64_t r = 0; r < regions; ++r)
          if (masks[static_cast<size_t>(r)] != 0) sample.masked.push_back(r);
      }
      if (file.contains("img_type_ids")) {
        const std::vector<int64_t> types = row_values(file.at("img_type_ids"), i, regions);
        sample.image_type = types.front();
        for (const int64_t type : types) check(type == sample.image_type, "uniter: regions of several types");
      }
      out.push_back(sample);
    }
    return out;
  }

  void compare(const std::string& name, const Tensor& actual) { comparison.compare(name, actual, file.at(name)); }
};

// What of a padded [B, ...] matrix `flat` holds: the [m, n] matrices of ragged pairs one after another.
Tensor padded_pairs(const Tensor& flat, const UniterBatch& batch, const Shape& shape) {
  const Tensor values = flat.to(Device{});
  const auto texts = batch.cu_text.to_vector<int64_t>(), regions = batch.cu_regions.to_vector<int64_t>();
  Tensor out = Tensor::zeros(shape, values.dtype());
  int64_t begin = 0;
  for (size_t i = 0; i + 1 < texts.size(); ++i) {
    const int64_t m = texts[i + 1] - texts[i], n = regions[i + 1] - regions[i];
    out.select(0, static_cast<int64_t>(i))
        .narrow(0, 0, m)
        .narrow(1, 0, n)
        .copy_(values.narrow(0, begin, m * n).view({m, n}));
    begin += m * n;
  }
  return out;
}

Variable masked_words_loss(UniterCase& golden, const UniterWithHeads& model, const Variable& hidden) {
  const Tensor& labels = golden.file.at("txt_labels");
  const auto marks = golden.batch.cu_seqlens.to_vector<int64_t>(), texts = golden.batch.cu_text.to_vector<int64_t>();
  std::vector<int64_t> rows, wanted;
  for (size_t i = 0; i + 1 < marks.size(); ++i) {
    const std::vector<int64_t> row = row_values(labels, static_cast<int64_t>(i), texts[i + 1] - texts[i]);
    for (size_t t = 0; t < row.size(); ++t) {
      if (row[t] < 0) continue;
      rows.push_back(marks[i] + static_cast<int64_t>(t));
      wanted.push_back(row[t]);
    }
  }
  const Variable logits = model.word_logits(hidden, Tensor::from(rows));
  golden.compare("scores", logits.value());
  return cross_entropy(logits, Tensor::from(wanted));
}

Variable masked_regions_loss(UniterCase& golden, const UniterWithHeads& model, const Variable& hidden) {
  const Tensor& rows = golden.batch.masked_rows;
  if (golden.task == "mrfr") {
    const Variable prediction = model.region_features(hidden, rows);
    golden.compare("prediction", prediction.value());
    return uniter_feature_loss(prediction, golden.file.at("feat_targets"));
  }
  const Variable logits = model.region_logits(hidden, rows);
  golden.compare("scores", logits.value());
  const Tensor& targets = golden.file.at("label_targets");
  return golden.task == "mrc" ? uniter_region_loss(logits, targets) : uniter_region_kl_loss(logits, targets);
}

Variable matching_and_alignment_loss(UniterCase& golden, const UniterWithHeads& model, const Variable& hidden) {
  const Variable logits = model.matching_logits(hidden, golden.batch);
  const Tensor& targets = golden.file.at("targets");
  golden.compare("scores", logits.value());
  const Variable matching = cross_entropy(logits, targets);
  golden.compare("loss.itm", matching.value());
  const UniterAlignment alignment = uniter_alignment(hidden, golden.batch, targets);
  const Shape shape = golden.file.at("ot.cost").shape();
  golden.compare("ot.cost", padded_pairs(alignment.cost.value(), golden.batch, shape));
  golden.compare("ot.plan", padded_pairs(alignment.plan, golden.batch, shape).transpose(1, 2).contiguous());
  golden.compare("ot.distance", alignment.distance.value().to(hidden.dtype()));
  golden.compare("loss.ot", alignment.loss.value());
  return matching + alignment.loss * golden.settings.at("ot_lambda").get<double>();
}

Variable answers_loss(UniterCase& golden, const UniterWithHeads& model, const Variable& hidden) {
  const Variable logits = model.answer_logits(hidden, golden.batch);
  golden.compare("scores", logits.value());
  return uniter_answer_loss(logits, golden.file.at("targets"));
}

Variable statements_loss(UniterCase& golden, const UniterWithHeads& model, const Variable& hidden) {
  if (model.attention) {
    const UniterPairedAttention::Output output = (*model.attention)(hidden, golden.batch, {});
    golden.compare("attended.0", output.first.value());
    golden.compare("attended.1", output.second.value());
    golden.compare("pair", output.pooled.value());
  }
  const Variable logits = model.statement_logits(hidden, golden.batch, {});
  golden.compare("scores", logits.value());
  return cross_entropy(logits, golden.file.at("targets"));
}

Variable ranking_loss(UniterCase& golden, const UniterWithHeads& model, const Variable& hidden) {
  const Variable scores = model.rank_scores(hidden, golden.batch);
  golden.compare("scores", scores.value());
  return uniter_rank_loss(scores, golden.settings.at("sample_size").get<int64_t>(),
                          golden.settings.at("margin").get<double>());
}

Variable task_loss(UniterCase& golden, const UniterWithHeads& model, const Variable& hidden) {
  const std::string& task = golden.task;
  if (task == "mlm") return masked_words_loss(golden, model, hidden);
  if (task == "mrfr" || task == "mrc" || task == "mrckl") return masked_regions_loss(golden, model, hidden);
  if (task == "itm") return matching_and_alignment_loss(golden, model, hidden);
  if (task == "vqa") return answers_loss(golden, model, hidden);
  if (task == "nlvr2_pair" || task == "nlvr2_paired_attn") return statements_loss(golden, model, hidden);
  check(task == "retrieval", "uniter: no task ", task);
  return ranking_loss(golden, model, hidden);
}

void run_task(UniterCase& golden, DType dtype) {
  UniterWithHeads model(golden.config, uniter_heads(golden.task));
  ParameterSet parameters(model, dtype, "", computed_on);
  load_uniter(parameters, load_safetensors((golden.directory / "model.safetensors").string()).tensors, "golden");
  golden.comparison.compare("cu_seqlens", golden.batch.cu_seqlens, golden.file.at("cu_seqlens"));
  std::vector<Tensor> states;
  const Variable hidden = model.uniter(golden.batch, {}, &states);
  for (size_t i = 0; i < states.size(); ++i) golden.compare(i == 0 ? "embedding" : text("layer.", i - 1), states[i]);
  if (golden.file.contains("pooled")) golden.compare("pooled", model.uniter.pooled(hidden, golden.batch).value());
  const Variable loss = task_loss(golden, model, hidden);
  golden.compare("loss", loss.value());
  loss.backward();

  // Every gradient of the file has a parameter, every parameter a gradient in the file.
  const StateDict gradients = split_qkv(tests::gradient_state(parameters));
  for (const auto& [name, gradient] : gradients) golden.compare("grad." + name, gradient);
  for (const auto& [name, tensor] : golden.file.tensors)
    check(!name.starts_with("grad.") || gradients.contains(name.substr(5)), "uniter: no parameter for ", name);
}

}  // namespace

Outcome run_uniter(const std::filesystem::path& directory) {
  UniterCase golden{directory};
  for (const DType dtype : computed_dtypes()) run_task(golden, dtype);
  return golden.comparison.outcome();
}

}  // namespace tessera::golden

// finetune_vqa, finetune_nlvr2, finetune_retrieval: updates of fine-tuning with the published settings. Logits, losses
// and norms on the way, gradients of the first step, parameters and moments at the end; and how the model begins, from
// finetune_pretrained.

#include "nn/adamw.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"
#include "tests/golden/json.h"
#include "tests/golden/padded_case.h"
#include "tests/golden/ranked_case.h"
#include "tests/gradient_state.h"
#include "vilt/files/state_dict.h"
#include "vilt/tasks/finetuning.h"
#include "vilt/tasks/optimizer_settings.h"

namespace tessera::golden {
namespace {

using nlohmann::json;

Settings read_settings(const json& from, const ModelConfig& config) {
  Settings settings;
  settings.model = config;
  settings.model.hidden_dropout_prob = 0;
  settings.train.task = from.at("task");
  settings.train.steps = from.at("max_steps");
  settings.train.device = computed_on.kind == Device::cuda ? "cuda" : "cpu";
  settings.optimizer.variant = "transformers";
  settings.optimizer.learning_rate = from.at("lr");
  settings.optimizer.beta1 = from.at("betas")[0];
  settings.optimizer.beta2 = from.at("betas")[1];
  settings.optimizer.eps = from.at("eps");
  settings.optimizer.weight_decay = from.at("weight_decay");
  settings.optimizer.head_factor = from.at("lr_mult");
  settings.optimizer.warmup = from.at("warmup");
  settings.optimizer.power = from.at("power");
  settings.optimizer.end_learning_rate = from.at("end_lr");
  return settings;
}

// Sample after sample its sequences: a text with one picture or with two, or a picture with several texts.
DownstreamBatch read_downstream_batch(const SafeTensors& file, const std::string& prefix, const ModelConfig& config) {
  const auto at = [&](const char* name) { return file.at(prefix + name); };
  Tensor ids = at("input_ids"), mask = at("attention_mask"), pixels = at("pixel_values"), grids = at("grids");
  DownstreamBatch batch;
  batch.samples = ids.size(0);
  const int64_t texts = ids.dim() == 3 ? ids.size(1) : 1, images = pixels.dim() == 5 ? pixels.size(1) : 1;
  ids = ids.view({batch.samples * texts, ids.size(-1)});
  mask = mask.view(ids.shape());
  pixels = pixels.view({batch.samples * images, 3, pixels.size(-2), pixels.size(-1)});
  grids = grids.view({batch.samples * images, 2});
  BatchBuilder builder(config.patch_values(), config.table_side());
  std::vector<int64_t> rows;
  for (int64_t s = 0; s < batch.samples; ++s) {
    std::vector<int> of_sample;
    for (int64_t k = 0; k < images; ++k) {
      const int64_t image = s * images + k;
      of_sample.push_back(builder.add_image(crop_patches(pixels, image, grid_of(grids, image), config.patch_size)));
    }
    for (int64_t t = 0; t < texts; ++t)
      for (int64_t k = 0; k < images; ++k) {
        const int64_t text = s * texts + t;
        const int sequence = builder.add_sequence(row_values(ids, text, count_ones(mask, text)),
                                                  of_sample[static_cast<size_t>(k)], {}, 1 + k);
        rows.push_back(builder.sequence(sequence).begin);
      }
  }
  batch.rows = Tensor::from(rows);
  batch.packed = builder.finish();
  if (file.contains(prefix + "labels")) (at("labels").dim() == 2 ? batch.targets : batch.labels) = at("labels");
  return batch;
}

Variable logits_of(const Finetuning& task, const DownstreamBatch& batch) {
  const Variable hidden = task.model().vilt(batch.packed, {});
  if (task.task().classifies) return task.model().class_logits(hidden, batch.rows);
  const Variable scores = task.model().rank_scores(hidden, batch.rows);
  return reshape(scores, {batch.samples, scores.size(0) / batch.samples});
}

// As the published optimiser has it, by its table of parameters.
void check_groups(const Finetuning& task, const ModelConfig& config, const json& expected) {
  const std::set<std::string> trained = task.trained();
  size_t seen = 0;
  for (const ParameterSet::Slot& slot : const_cast<Finetuning&>(task).parameters().slots()) {
    if (!trained.contains(slot.name)) continue;
    const ParameterGroup group = task.group(slot.name, slot.parameter);
    for (const auto& [name, view] : file_views({{slot.name, slot.parameter.value()}}, config)) {
      const json& row = expected.at(name);
      check(group.decay == (row.at("weight_decay").get<double>() != 0), "golden: decay of ", name);
      check(group.learning_rate_multiplier == row.at("lr_mult").get<double>(), "golden: rate of ", name);
      ++seen;
    }
  }
  check(seen == expected.size(), "golden: ", seen, " parameters are trained, the file has ", expected.size());
}

// Their gradient is zero in exact arithmetic: Adam turns rounding noise into steps.
bool is_noise(const std::string& name) { return name.ends_with("attention.key.bias") || name == "rank_output.bias"; }

void run_updates(Comparison& comparison, const SafeTensors& file, const std::filesystem::path& directory, DType dtype) {
  const json from = read_json(directory / "settings.json");
  const Weights weights = read_weights(directory);
  const ModelConfig read = ModelConfig::from_file(directory / "config.json");
  Settings settings = read_settings(from, read);
  settings.model.heads.matching = weights.state.tensors.contains("itm_score.fc.weight");
  Finetuning task(settings, read.labels, nullptr, dtype);
  const ModelConfig& config = task.model().vilt.config;
  load_file_state(task.parameters(), config, weights.state.tensors, weights.source);
  check_groups(task, config, from.at("params"));
  AdamW optimizer(
      task.parameters(), adamw_options(settings.optimizer),
      [&](const std::string& name, const Variable& parameter) { return task.group(name, parameter); }, task.trained());
  const PolynomialSchedule schedule = schedule_of(settings.optimizer, settings.train.steps);
  std::vector<double> rates, losses, norms, end_losses;
  const int64_t steps = from.at("steps_run");
  TicketSource tickets(0, 0);
  const auto loss_of = [&](const DownstreamBatch& batch) {
    return task.losses(batch, task.divisors(batch), tickets).total;
  };
  std::vector<DownstreamBatch> batches;
  for (int64_t step = 0; step < steps; ++step) {
    const std::string name = text("step", step, ".");
    const DownstreamBatch& batch = batches.emplace_back(read_downstream_batch(file, name, config));
    comparison.compare(name + "logits", logits_of(task, batch).value(), file.at(name + "logits"));
    if (!task.task().classifies) {
      const Tensor scores = ranked(task.model(), batch.packed);
      comparison.compare(name + "logits", scores.view(file.at(name + "logits").shape()), file.at(name + "logits"));
      check_same_order(batch.packed, scores, file.at(name + "logits"));
    }
    const Variable loss = loss_of(batch);
    losses.push_back(loss.value().to(DType::f64).item<double>());
    task.parameters().clear_gradients();
    loss.backward();
    norms.push_back(task.parameters().global_norm());
    if (step == 0)
      for (const auto& [parameter, gradient] : file_views(tests::gradient_state(task.parameters()), config))
        if (file.contains("grad." + parameter))
          comparison.compare("grad." + parameter, gradient, file.at("grad." + parameter));
    rates.push_back(schedule.rate(step));
    optimizer.step(rates.back());
  }
  for (const DownstreamBatch& batch : batches)
    end_losses.push_back(loss_of(batch).value().to(DType::f64).item<double>());
  comparison.compare("lr", Tensor::from(rates), file.at("lr"));
  for (const auto& [name, values] : {std::pair{"loss", &losses}, {"grad_norm", &norms}, {"end_loss", &end_losses}})
    comparison.compare(name, Tensor::from(*values).to(dtype), file.at(name));
  for (const auto& [name, value] : file_views(task.parameters().state(), config)) {
    if (!file.contains("final." + name)) continue;  // the frozen head
    if (!is_noise(name))
      comparison.compare("final." + name, value, file.at("final." + name));
    else if (dtype == DType::f64)
      comparison.compare_within("final." + name, value, file.at("final." + name), 1e-8);
  }
  StateDict moments;
  for (const auto& [name, moment] : optimizer.state())
    if (name != "step") moments.emplace(name, moment);
  for (const char* kind : {"exp_avg.", "exp_avg_sq."}) {
    StateDict of_kind;
    for (const auto& [name, moment] : moments)
      if (name.starts_with(kind)) of_kind.emplace(name.substr(std::string(kind).size()), moment);
    for (const auto& [name, moment] : file_views(of_kind, config))
      if (file.contains(kind + name) && !is_noise(name)) comparison.compare(kind + name, moment, file.at(kind + name));
  }
}

// What is not drawn is what finetune_pretrained gives.
void compare_beginning(Comparison& comparison, const std::filesystem::path& directory) {
  const json from = read_json(directory / "settings.json");
  LoadOptions options;
  options.strictness = Strictness::body;
  options.needs_vocabulary = false;
  options.device = computed_on;
  const LoadedModel pretrained = load_model(directory / from.at("pretrained").get<std::string>(), options);
  Settings settings = read_settings(from, pretrained.config);
  const ModelConfig read = ModelConfig::from_file(directory / "config.json");
  Finetuning task(settings, read.labels, &pretrained);
  const StateDict expected = read_weights(directory).state.tensors;
  for (const auto& [name, value] : file_views(task.parameters().state(), task.model().vilt.config))
    if (!name.starts_with("classifier.")) comparison.compare_within("start." + name, value, expected.at(name), 0);
}

}  // namespace

Outcome run_finetune(const std::filesystem::path& directory) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  Comparison comparison(directory);
  compare_beginning(comparison, directory);
  for (const DType dtype : computed_dtypes()) run_updates(comparison, file, directory, dtype);
  return comparison.outcome();
}

}  // namespace tessera::golden

#include "models/pixelbert/system.h"

#include "models/pixelbert/files.h"
#include "models/pixelbert/scoring.h"
#include "nn/precision.h"
#include "tensor/device.h"

namespace tessera {
namespace {

struct BackboneName {
  const char* name;
  BackboneTraining training;
};
constexpr BackboneName kBackboneNames[] = {{"batch_statistics", BackboneTraining::batch_statistics},
                                           {"running_statistics", BackboneTraining::running_statistics},
                                           {"frozen", BackboneTraining::frozen}};

BackboneTraining backbone_named(const std::string& name) {
  for (const BackboneName& known : kBackboneNames)
    if (name == known.name) return known.training;
  fail("setting 'model.backbone' is '", name, "'");
}

// "1, 2,3" → 1, 2, 3.
std::vector<int64_t> numbers_in(const char* key, const std::string& list) {
  std::vector<int64_t> out;
  const auto wrong = [&]() { fail("setting '", key, "' is '", list, "', expected whole numbers with commas between"); };
  size_t at = 0;
  while (true) {
    const size_t end = std::min(list.find(',', at), list.size());
    const size_t first = list.find_first_not_of(' ', at), last = list.find_last_not_of(' ', end - (end > 0 ? 1 : 0));
    if (first >= end || last == std::string::npos || last < first || last - first > 6) wrong();
    int64_t value = 0;
    for (size_t i = first; i <= last; ++i) {
      if (list[i] < '0' || list[i] > '9') wrong();
      value = 10 * value + (list[i] - '0');
    }
    out.push_back(value);
    if (end == list.size()) return out;
    at = end + 1;
  }
}

PixelBertOptions pixelbert_options(const PixelBertSystem::Settings& settings, const Wordpiece& vocabulary) {
  const PixelBertSettings& own = settings.options;
  PixelBertOptions out;
  out.model = own.config(static_cast<int64_t>(vocabulary.size()));
  out.init = {own.std, own.linear == "fan_in", own.positions == "cosine"};
  out.seed = static_cast<uint64_t>(settings.train.seed);
  out.backbone = backbone_named(own.backbone);
  out.backbone_rate = own.backbone_rate;
  out.mlm_weight = own.mlm_weight;
  out.itm_weight = own.itm_weight;
  out.device = device_named("train.device", settings.train.device);
  return out;
}

PixelBertBatches pixelbert_batches(const PixelBertSystem::Settings& settings) {
  const PixelBertSettings& own = settings.options;
  PixelBertBatches out;
  out.batch_size = settings.train.batch_size;
  out.seed = static_cast<uint64_t>(settings.train.seed);
  out.accumulate = settings.train.accumulate;
  out.sampled_cells = own.sampled_cells;
  out.masked_words = own.mlm_weight != 0;
  out.pairs = own.itm_weight != 0;
  out.masking.variant = own.masking == "strict" ? MaskingOptions::strict : MaskingOptions::official;
  out.masking.rate = own.mask_rate;
  out.masking.content_first = own.content_first;
  out.masking.max_length = own.max_length();
  out.sibling_negatives = own.sibling_negatives;
  out.false_images_in_batch = own.false_images == "batch";
  return out;
}

}  // namespace

SettingSlots PixelBertSettings::slots() {
  return {{"model.hidden_size", &model.bert.hidden_size},
          {"model.num_hidden_layers", &model.bert.num_hidden_layers},
          {"model.num_attention_heads", &model.bert.num_attention_heads},
          {"model.intermediate_size", &model.bert.intermediate_size},
          {"model.max_position_embeddings", &model.bert.max_position_embeddings},
          {"model.hidden_dropout_prob", &model.bert.hidden_dropout_prob},
          {"model.attention_probs_dropout_prob", &model.bert.attention_probs_dropout_prob},
          {"model.resnet_block", &resnet_block},
          {"model.resnet_layers", &resnet_layers},
          {"model.resnet_widths", &resnet_widths},
          {"model.resnet_stem", &model.cnn.stem},
          {"model.resnet_stem_kernel", &model.cnn.stem_kernel},
          {"model.resnet_stem_stride", &model.cnn.stem_stride},
          {"model.resnet_stem_pool", &model.cnn.stem_pool},
          {"model.pool", &model.pool},
          {"model.position_rows", &model.position_rows},
          {"model.position_columns", &model.position_columns},
          {"model.size_divisor", &size_divisor},
          {"model.backbone", &backbone},
          {"model.backbone_from", &backbone_from},
          {"model.backbone_rate", &backbone_rate},
          {"init.linear", &linear},
          {"init.std", &std},
          {"init.positions", &positions},
          {"objectives.mlm_weight", &mlm_weight},
          {"objectives.itm_weight", &itm_weight},
          {"objectives.masking", &masking},
          {"objectives.mask_rate", &mask_rate},
          {"objectives.content_first", &content_first},
          {"objectives.sibling_negatives", &sibling_negatives},
          {"objectives.false_images", &false_images},
          {"objectives.sampled_cells", &sampled_cells}};
}

PixelBertConfig PixelBertSettings::config(int64_t vocabulary) const {
  PixelBertConfig out = model;
  out.bert.vocab_size = vocabulary;
  out.cnn.bottleneck = resnet_block == "bottleneck";
  out.cnn.layers = numbers_in("model.resnet_layers", resnet_layers);
  out.cnn.widths = numbers_in("model.resnet_widths", resnet_widths);
  return out;
}

void PixelBertSettings::validate(const SystemSettings& settings) const {
  expect_one_of("model.resnet_block", resnet_block, {"bottleneck", "basic"});
  expect_between("model.size_divisor", size_divisor, 1, 4096);
  expect_one_of("model.backbone", backbone, {"batch_statistics", "running_statistics", "frozen"});
  expect_at_least("model.backbone_rate", backbone_rate, 0);
  expect_one_of("init.linear", linear, {"normal", "fan_in"});
  expect_at_least("init.std", std, 0);
  expect_one_of("init.positions", positions, {"normal", "cosine"});
  expect_at_least("objectives.mlm_weight", mlm_weight, 0);
  expect_at_least("objectives.itm_weight", itm_weight, 0);
  check(mlm_weight + itm_weight > 0, "settings 'objectives.mlm_weight' and 'objectives.itm_weight' are both 0");
  expect_one_of("objectives.masking", masking, {"strict", "official"});
  expect_above_zero("objectives.mask_rate", mask_rate);
  expect_share("objectives.mask_rate", mask_rate);
  expect_share("objectives.content_first", content_first);
  expect_share("objectives.sibling_negatives", sibling_negatives);
  expect_one_of("objectives.false_images", false_images, {"all", "batch"});
  expect_at_least("objectives.sampled_cells", sampled_cells, 0);
  check(settings.train.precision != "bf16",
        "setting 'train.precision' is 'bf16', which Pixel-BERT cannot be trained "
        "in yet; expected highest, high or, on a GPU, tf32");
  config(1).validate();
}

void PixelBertSettings::defaults(SystemSettings& settings) {
  settings.image.shorter = 800;
  // ImageNet's, of which every channel has its own, on average.
  settings.image.mean = 0.449;
  settings.image.std = 0.226;
}

std::string PixelBertSystem::described(const Settings& settings) {
  return pixelbert_loss_equation(settings.options.mlm_weight, settings.options.itm_weight);
}

PixelBertSystem::Task::Task(const Settings& settings, const SystemData& data)
    : PixelBertPretraining(pixelbert_options(settings, data.vocabulary)),
      vocabulary_(data.vocabulary),
      sampler_(system_sampler(settings, data.train)),
      collator_(data.train, sampler_, options().model, pixelbert_batches(settings), data.quarantine) {
  use_precision(precision_named("train.precision", settings.train.precision), parameters().device());
  if (!settings.options.backbone_from.empty())
    beginnings_ = load_backbone(settings.options.backbone_from, parameters());
  if (options().backbone == BackboneTraining::batch_statistics && settings.train.accumulate > 1)
    beginnings_.push_back(
        "note: batch statistics are those of a micro-batch, so train.accumulate shows in the result; with "
        "model.backbone = \"running_statistics\" it does not");
  if (options().backbone != BackboneTraining::batch_statistics && settings.options.backbone_from.empty())
    beginnings_.push_back(
        "note: the network begins with drawn weights and running statistics that do not move; give model.backbone_from "
        "or train with model.backbone = \"batch_statistics\"");
}

NamedFigures PixelBertSystem::Task::evaluate(const SampleSource& source, const CaptionEvaluation& options) const {
  CaptionModel asked;
  asked.scores = [&](const std::vector<int64_t>& captions, const std::vector<int64_t>& images) {
    std::vector<CaptionedPicture> pairs;
    for (size_t i = 0; i < captions.size(); ++i) pairs.push_back({captions[i], images[i]});
    return match_scores(model(), source, pairs);
  };
  if (this->options().itm_weight == 0) asked.threshold = false;
  asked.words = [&](const std::vector<MaskedWord>& words, const std::vector<int64_t>& images) {
    std::vector<MaskedCaption> texts;
    for (size_t i = 0; i < words.size(); ++i) {
      const TextSample text = source.text(words[i].sentence);
      texts.push_back({mask_one_word(text.ids, text.words, words[i].word, source.vocabulary()), images[i]});
    }
    return masked_word_hits(model(), source, texts);
  };
  return evaluate_captions(source, asked, options);
}

void PixelBertSystem::Task::save(const std::filesystem::path& folder) {
  save_pixelbert_folder(folder, options().model, vocabulary_, parameters());
}

std::function<void()> PixelBertSystem::Task::open(const std::filesystem::path& folder) {
  return open_pixelbert_folder(folder, parameters());
}

}  // namespace tessera

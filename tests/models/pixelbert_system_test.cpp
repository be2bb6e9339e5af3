#include "models/pixelbert/system.h"

#include <doctest/doctest.h>

#include <sstream>

#include "models/pixelbert/files.h"
#include "tests/error_text.h"
#include "tests/tiny_scenes.h"

namespace tessera::pixelbert_system_test {
namespace {

using tests::error_of;
using tests::lacking;
using tests::TemporaryDirectory;
using tests::tiny_scenes;
using Job = SystemJob<PixelBertSystem>;
using Overrides = std::vector<std::string>;
namespace fs = std::filesystem;

std::string toml_of(const fs::path& out) {
  const fs::path data = tiny_scenes().folder();
  return text("[system]\nkind = \"pixelbert\"\n[data]\ncaptions = \"", (data / "dataset.json").string(),
              "\"\nimages = \"", (data / "images").string(), "\"\nannotations = \"",
              (data / "annotations.jsonl").string(), "\"\n[image]\nresize = \"none\"\n", R"([model]
hidden_size = 16
num_hidden_layers = 1
num_attention_heads = 2
intermediate_size = 24
max_position_embeddings = 40
resnet_block = "basic"
resnet_layers = "1, 1"
resnet_widths = "4,8"
resnet_stem_stride = 4
resnet_stem_pool = false
position_rows = 6
position_columns = 6
size_divisor = 16
[init]
linear = "fan_in"
[objectives]
sampled_cells = 12
sibling_negatives = 0.5
[train]
steps = 6
batch_size = 4
log_every = 3
evaluate_every = 4
checkpoint_every = 2
tensorboard = false
out = ")",
              out.string(), "\"\n");
}

Job::Settings settings_of(const fs::path& out, const Overrides& overrides = {}) {
  return Job::Settings::from_text(toml_of(out), "pixelbert.toml", overrides);
}

struct Trained {
  TaskSummary summary;
  std::string log;
};

Trained trained(const fs::path& out, const Overrides& overrides = {}) {
  std::ostringstream log;
  TrainingOptions options;
  options.log = &log;
  Job job(settings_of(out, overrides), options);
  const TaskSummary summary = Training<Job>(job, options).go();
  return {summary, log.str()};
}

std::vector<uint8_t> weights(const fs::path& out) { return read_file(*newest_checkpoint(out) / "model.safetensors"); }

}  // namespace

TEST_CASE("pixel-bert system: from settings to summary; a checkpoint is a model's folder") {
  const TemporaryDirectory folder;
  const fs::path out = folder.path() / "run";
  const Trained run = trained(out);
  CHECK(run.summary.task == "pixelbert");
  const NamedFigures& test = run.summary.figures.at("test");
  for (const char* name : {"matching random", "matching sibling", "masked words", "text R@1", "image R@1"})
    CHECK_MESSAGE(std::any_of(test.begin(), test.end(), [&](const auto& figure) { return figure.first == name; }),
                  name);
  CHECK(lacking(run.log, {"mlm (mean over masked tokens)", "40 captions of 40 images"}) == "");
  const LoadedPixelBert loaded = load_pixelbert(*newest_checkpoint(out));
  CHECK(loaded.model->config.bert.vocab_size == static_cast<int64_t>(tiny_scenes().vocabulary().tokens().size()));
  CHECK(loaded.model->config.cnn.widths == std::vector<int64_t>{4, 8});
}

TEST_CASE("pixel-bert system: a run that was stopped ends as one that was not, bit for bit") {
  const TemporaryDirectory folder;
  // At one rate throughout, so that a run of four steps is the beginning of one of six.
  Overrides constant{"optimizer.learning_rate=0.001", "optimizer.end_learning_rate=0.001", "optimizer.warmup=0"};
  trained(folder.path() / "whole", constant);
  Overrides shorter = constant;
  shorter.push_back("train.steps=4");
  trained(folder.path() / "parts", shorter);
  CHECK(weights(folder.path() / "parts") != weights(folder.path() / "whole"));
  trained(folder.path() / "parts", constant);
  CHECK(weights(folder.path() / "parts") == weights(folder.path() / "whole"));
}

TEST_CASE("pixel-bert system: the network's weights from a file; what its user should know") {
  const TemporaryDirectory folder;
  const fs::path first = folder.path() / "first";
  trained(first);
  std::map<std::string, Tensor> network;
  for (const auto& [name, tensor] :
       load_safetensors((*newest_checkpoint(first) / "model.safetensors").string()).tensors)
    if (name.starts_with("visual.backbone.")) network.emplace(name.substr(16), tensor);
  const fs::path file = folder.path() / "resnet.safetensors";
  save_safetensors(file.string(), network);
  const Trained frozen =
      trained(folder.path() / "second", {"model.backbone=frozen", "model.backbone_from=" + file.string()});
  CHECK(lacking(frozen.log, {"network from ", "resnet.safetensors"}) == "");
  const std::map<std::string, Tensor> after =
      load_safetensors((*newest_checkpoint(folder.path() / "second") / "model.safetensors").string()).tensors;
  for (const auto& [name, tensor] : network)
    CHECK_MESSAGE(after.at("visual.backbone." + name).to_vector<float>() == tensor.to_vector<float>(), name);
  CHECK(lacking(trained(folder.path() / "third", {"model.backbone=frozen"}).log, {"begins with drawn weights"}) == "");
  CHECK(lacking(trained(folder.path() / "fourth", {"train.accumulate=2"}).log, {"train.accumulate shows"}) == "");
}

TEST_CASE("pixel-bert system: the recipe on scenes, and the published sizes") {
  const auto recipe = Job::Settings::from_toml(fs::path(TESSERA_SOURCE_DIR) / "configs" / "scenes-pixelbert.toml");
  const PixelBertConfig config = recipe.options.config(114);
  // Cells of 16 x 16 pixels, for each of the three sizes of scenes.
  for (const auto& [height, width] : {std::pair(64, 96), std::pair(96, 64), std::pair(80, 80)})
    CHECK(config.grid({height, width}) == Size2d(height / 16, width / 16));
  CHECK(Job::Settings::from_text(recipe.to_toml(), "written").to_toml() == recipe.to_toml());
  // ResNet-50 and BERT's base, pictures of 800 pixels: a cell is 64 x 64.
  const PixelBertConfig published = PixelBertSettings{}.config(30522);
  CHECK(published.grid({800, 1333}) == Size2d(12, 21));
  CHECK(published.to_json() == PixelBertConfig{}.to_json());
}

TEST_CASE("pixel-bert system: settings that cannot be") {
  const auto refusal = [](const std::string& assignment) {
    return error_of([&] { settings_of("run", {assignment}); });
  };
  CHECK(lacking(refusal("model.resnet_layers=1,,2"), {"'model.resnet_layers' is '1,,2', expected whole numbers"}) ==
        "");
  CHECK(lacking(refusal("model.resnet_layers=1,"), {"'model.resnet_layers' is '1,'"}) == "");
  CHECK(lacking(refusal("model.resnet_widths=4,x"), {"'model.resnet_widths' is '4,x'"}) == "");
  CHECK(lacking(refusal("model.resnet_widths=4"), {"2 stages of 1 widths"}) == "");
  CHECK(lacking(refusal("model.backbone=thawed"), {"'model.backbone' is 'thawed', expected one of"}) == "");
  CHECK(lacking(refusal("train.precision=bf16"), {"cannot be trained in yet"}) == "");
  CHECK(lacking(refusal("model.position_rows=0"), {"0 rows and 6 columns"}) == "");
  CHECK(lacking(error_of([&] {
                  settings_of("run", {"objectives.mlm_weight=0", "objectives.itm_weight=0"});
                }),
                {"are both 0"}) == "");
  CHECK(settings_of("run", {"model.resnet_layers=2 , 3"}).options.config(9).cnn.layers == std::vector<int64_t>{2, 3});
}

}  // namespace tessera::pixelbert_system_test

#include "models/pixelbert/files.h"

#include <doctest/doctest.h>

#include "io/files.h"
#include "io/safetensors.h"
#include "tests/error_text.h"
#include "tests/models/tiny_pixelbert.h"

namespace tessera::pixelbert_files_test {
namespace {

using tests::error_of;
using tests::lacking;
using tests::PixelBertBench;
using tests::TemporaryDirectory;
using tests::tiny_pixelbert;

std::map<std::string, std::vector<float>> values_of(const ParameterSet& parameters) {
  std::map<std::string, std::vector<float>> out;
  for (const auto& [name, tensor] : parameters.state()) out.emplace(name, tensor.to_vector<float>());
  return out;
}

// Trained a little, so that running statistics are not what they begin with.
PixelBertOptions trained(PixelBertPretraining& task, int64_t from, int64_t to, Learner<PixelBertPretraining>& learner) {
  const PixelBertBench bench;
  for (int64_t step = from; step < to; ++step) learner.update(bench.collator.step(step));
  return task.options();
}

LearnerOptions learner_options() {
  LearnerOptions options;
  options.schedule = {.peak = 1e-2, .warmup = 2, .total = 6};
  options.clip = 1;
  return options;
}

void write(const std::filesystem::path& path, const std::string& text) {
  write_file_atomically(path, text, Durability::power);
}

}  // namespace

TEST_CASE("pixel-bert: a folder gives the model again, bit for bit, and a training that went on from it is the same") {
  const TemporaryDirectory directory;
  PixelBertPretraining whole(tiny_pixelbert()), first(tiny_pixelbert());
  Learner<PixelBertPretraining> of_whole(whole, learner_options()), of_first(first, learner_options());
  trained(whole, 0, 6, of_whole);
  trained(first, 0, 3, of_first);
  const Wordpiece& vocabulary = tests::tiny_scenes().vocabulary();
  CHECK_FALSE(is_pixelbert(directory.path()));
  save_pixelbert_folder(directory.path(), first.options().model, vocabulary, first.parameters());
  CHECK(is_pixelbert(directory.path()));
  const std::map<std::string, Tensor> moments = of_first.optimizer().state();

  PixelBertOptions other = tiny_pixelbert();
  other.seed = 99;
  PixelBertPretraining second(other);
  Learner<PixelBertPretraining> of_second(second, learner_options());
  open_pixelbert_folder(directory.path(), second.parameters())();
  CHECK(values_of(second.parameters()) == values_of(first.parameters()));
  of_second.optimizer().load_state(moments, "moments");
  trained(second, 3, 6, of_second);
  CHECK(values_of(second.parameters()) == values_of(whole.parameters()));

  const LoadedPixelBert loaded = load_pixelbert(directory.path());
  CHECK(values_of(*loaded.parameters) == values_of(first.parameters()));
  CHECK(loaded.model->config.to_json() == first.options().model.to_json());
  CHECK(Wordpiece::from_file(directory.path() / "vocab.txt").tokens() == vocabulary.tokens());
}

TEST_CASE("pixel-bert: a folder that does not fit is an error that says in what") {
  const TemporaryDirectory directory;
  PixelBertPretraining task(tiny_pixelbert());
  const auto save = [&] {
    save_pixelbert_folder(directory.path(), task.options().model, tests::tiny_scenes().vocabulary(), task.parameters());
  };
  save();
  PixelBertOptions wider = tiny_pixelbert();
  wider.model.cnn.widths = {4, 12};
  PixelBertPretraining other(wider);
  const std::map<std::string, std::vector<float>> before = values_of(other.parameters());
  CHECK(lacking(error_of([&] { open_pixelbert_folder(directory.path(), other.parameters()); }),
                {"model.safetensors", "nothing was loaded", "visual.backbone.layer2.0.conv1.weight"}) == "");
  CHECK(values_of(other.parameters()) == before);
  // A configuration that asks for far more memory than its weights.
  PixelBertConfig huge = task.options().model;
  huge.cnn.widths = {4096, 8192};
  write(directory.path() / "config.json", huge.to_json());
  CHECK(lacking(error_of([&] { load_pixelbert(directory.path()); }), {"do not belong together"}) == "");
  save();
  std::map<std::string, Tensor> tensors = load_safetensors((directory.path() / "model.safetensors").string()).tensors;
  tensors.erase("visual.backbone.bn1.running_var");
  save_safetensors((directory.path() / "model.safetensors").string(), tensors);
  CHECK(lacking(error_of([&] { load_pixelbert(directory.path()); }), {"visual.backbone.bn1.running_var"}) == "");
}

TEST_CASE("pixel-bert: a network's weights under torchvision's names") {
  const TemporaryDirectory directory;
  PixelBertOptions options = tiny_pixelbert();
  PixelBertPretraining from(options);
  options.seed = 8;
  PixelBertPretraining to(options);
  std::map<std::string, Tensor> file;
  for (const auto& [name, tensor] : from.parameters().state())
    if (name.starts_with("visual.backbone.")) file.emplace(name.substr(16), tensor.contiguous());
  const size_t own = file.size();
  file.emplace("fc.weight", Tensor::zeros({10, 8}));
  file.emplace("fc.bias", Tensor::zeros({10}));
  file.emplace("bn1.num_batches_tracked", Tensor::full({}, 3, DType::i64));
  const std::filesystem::path path = directory.path() / "resnet.safetensors";
  save_safetensors(path.string(), file);
  const std::vector<std::string> notes = load_backbone(path, to.parameters());
  CHECK(notes.back().ends_with(text(": ", own, " tensors")));
  for (const auto& [name, tensor] : to.parameters().state()) {
    const bool equal = tensor.to_vector<float>() == from.parameters().state().at(name).to_vector<float>();
    if (name.starts_with("visual.backbone.")) CHECK_MESSAGE(equal, name);
  }
  CHECK(to.parameters().state().at("visual.conv.weight").to_vector<float>() !=
        from.parameters().state().at("visual.conv.weight").to_vector<float>());
  // Of another network: more stages, or other sizes.
  file.emplace("layer3.0.conv1.weight", Tensor::zeros({8, 8, 3, 3}));
  save_safetensors(path.string(), file);
  CHECK(lacking(error_of([&] { load_backbone(path, to.parameters()); }),
                {"resnet.safetensors", "nothing was loaded", "layer3.0.conv1.weight"}) == "");
}

TEST_CASE("pixel-bert: its configuration, written and read; what is impossible") {
  PixelBertConfig config = tiny_pixelbert().model;
  config.cnn.bottleneck = true;
  config.pool = false;
  const PixelBertConfig again = PixelBertConfig::from_json(config.to_json(), "config.json");
  CHECK(again.to_json() == config.to_json());
  CHECK(PixelBertConfig::from_json("{}", "config.json").to_json() == PixelBertConfig{}.to_json());
  const auto refusal = [](const char* json) {
    return error_of([&] { PixelBertConfig::from_json(json, "config.json"); });
  };
  CHECK(lacking(refusal(R"({"resnet": 3})"), {"config.json", "'resnet' is not an object"}) == "");
  CHECK(lacking(refusal(R"({"resnet": {"block": "wide"}})"), {"'resnet.block' is", "wide"}) == "");
  CHECK(lacking(refusal(R"({"resnet": {"layers": [1, "2"]}})"), {"'resnet.layers' is not a list"}) == "");
  CHECK(lacking(refusal(R"({"resnet": {"layers": [1, 2]}})"), {"2 stages of 4 widths"}) == "");
  CHECK(lacking(refusal(R"({"resnet": {"stem_kernel": 4}})"), {"stem_kernel is 4, expected an odd number"}) == "");
  CHECK(lacking(refusal(R"({"position_rows": 4})"), {"4 rows and 0 columns"}) == "");
  CHECK(lacking(refusal(R"({"hidden_size": 10, "num_attention_heads": 3})"), {"not a multiple of 3"}) == "");
  CHECK(lacking(refusal("[]"), {"config.json"}) == "");
}

TEST_CASE("resnet: the size of the last map is told without running") {
  for (const bool pool : {true, false}) {
    for (const int64_t stride : {1, 2, 3}) {
      ResNetOptions options{.bottleneck = false, .layers = {1, 1, 1}, .widths = {1, 1, 1}};
      options.stem_kernel = 5;
      options.stem_stride = stride;
      options.stem_pool = pool;
      const ResNet network(options);
      for (const Size2d size : {Size2d(1, 1), Size2d(17, 30), Size2d(32, 9)}) {
        const Variable map = network(Variable(Tensor::zeros({1, 3, size.height, size.width})), false).stages.back();
        CHECK(options.map_size(size) == Size2d(map.size(2), map.size(3)));
      }
    }
  }
  CHECK(lacking(error_of([] { ResNet({.stem_kernel = 4}); }), {"a stem of 4 x 4 pixels"}) == "");
}

}  // namespace tessera::pixelbert_files_test

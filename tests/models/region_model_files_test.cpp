// UNITER's and ViLBERT's weights in and out.
#include <doctest/doctest.h>

#include <cmath>

#include "io/files.h"
#include "io/safetensors.h"
#include "models/uniter/files.h"
#include "models/vilbert/files.h"
#include "tests/error_text.h"
#include "tests/models/region_tasks.h"
#include "tests/temporary_directory.h"

namespace tessera::region_model_files_test {
namespace {

using tests::error_of;
using tests::lacking;

namespace fs = std::filesystem;

std::map<std::string, std::vector<float>> state_of(const ParameterSet& parameters) {
  std::map<std::string, std::vector<float>> out;
  for (const auto& [name, tensor] : parameters.state()) out[name] = tensor.contiguous().to_vector<float>();
  return out;
}

// A published state dict: names of files, the tied decoders written once more.
NamedTensors published(const ParameterSet& parameters, const FileViews& views) {
  NamedTensors out;
  for (const auto& [name, view] : views(parameters.state())) out.emplace(name, view.contiguous());
  return out;
}

void write_weights(const fs::path& file, const NamedTensors& tensors) {
  save_safetensors(file.string(), tensors, {{"format", "pt"}});
}

// Wide enough for heads of 64 channels.
UniterConfig wide_uniter() {
  UniterConfig config;
  config.bert = {.vocab_size = 9,
                 .hidden_size = 128,
                 .num_hidden_layers = 2,
                 .num_attention_heads = 2,
                 .intermediate_size = 12,
                 .max_position_embeddings = 7,
                 .type_vocab_size = 2};
  config.img_dim = 5;
  config.img_label_dim = 4;
  config.num_answers = 3;
  return config;
}

struct DrawnUniter {
  UniterWithHeads model;
  ParameterSet parameters;
  DrawnUniter(const UniterConfig& config, const UniterHeads& heads)
      : model(config, heads), parameters((model.visit("", drawing({.fan_in = true, .seed = 2})), model)) {}
  NamedTensors file() const { return published(parameters, split_qkv); }
};

}  // namespace

TEST_CASE("uniter files: a run's checkpoint reads back") {
  tests::RegionScenes scenes;
  const tests::TemporaryDirectory directory;
  UniterTask task(tests::uniter_options(), scenes.source, scenes.lookup, scenes.quarantine);
  task.save(directory.path());
  REQUIRE(is_uniter(directory.path()));
  CHECK(!is_vilbert(directory.path()));
  std::vector<std::string> told;
  const LoadedUniter loaded =
      load_uniter_files(directory.path(), {.report = [&](const std::string& line) { told.push_back(line); }});
  CHECK(state_of(*loaded.parameters) == state_of(task.parameters()));
  CHECK(loaded.model->uniter.config.bert.num_attention_heads == 2);
  CHECK(loaded.model->uniter.config.img_dim == tests::kSceneChannels);
  CHECK(loaded.vocabulary == directory.path() / "vocab.txt");
  CHECK(told.empty());
  const NamedTensors tensors = load_safetensors((directory.path() / "model.safetensors").string()).tensors;
  for (const char* name : {"uniter.encoder.layer.0.attention.self.query.weight", "cls.predictions.bias",
                           "feat_regress.net.0.weight", "region_classifier.net.3.weight", "itm_output.weight"})
    CHECK_MESSAGE(tensors.contains(name), name);
}

TEST_CASE("uniter files: a published file with its decoders, its sizes from the tensors") {
  const tests::TemporaryDirectory directory;
  const fs::path file = directory.path() / "uniter.safetensors";
  const DrawnUniter drawn(wide_uniter(), {.words = true, .region_features = true, .answers = true});
  NamedTensors tensors = drawn.file();
  tensors["cls.predictions.decoder.weight"] =
      tensors.at("uniter.embeddings.word_embeddings.weight").contiguous().to(DType::f64).to(DType::f32);
  tensors["feat_regress.weight"] = Tensor::zeros({128, 5});
  tensors["uniter.embeddings.position_ids"] = Tensor::zeros({1, 7}, DType::i64);
  NamedTensors wrapped;
  for (const auto& [name, tensor] : tensors) wrapped.emplace("module." + name, tensor);
  write_weights(file, wrapped);
  std::string told;
  const LoadedUniter loaded = load_uniter_files(file, {.report = [&](const std::string& line) { told += line; }});
  CHECK(state_of(*loaded.parameters) == state_of(drawn.parameters));
  CHECK(lacking(told, {"assumed: no config.json", "heads of 64 channels"}) == "");
  CHECK(loaded.model->words.has_value());
  CHECK(loaded.model->answers.has_value());
  CHECK(!loaded.model->matching.has_value());

  // The published JSON says nothing of features and answers.
  write_file_atomically(directory.path() / "base.json",
                        R"({"vocab_size": 9, "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
                            "intermediate_size": 12, "max_position_embeddings": 7, "type_vocab_size": 2})");
  const LoadedUniter other = load_uniter_files(file, {.config = directory.path() / "base.json"});
  CHECK(other.model->uniter.config.bert.num_attention_heads == 4);
  CHECK(other.model->uniter.config.img_dim == 5);
  CHECK(other.model->uniter.config.num_answers == 3);
}

TEST_CASE("uniter files: what does not fit is told, and nothing is loaded") {
  const tests::TemporaryDirectory directory;
  const fs::path file = directory.path() / "model.safetensors";
  const DrawnUniter drawn(wide_uniter(), {.matching = true});
  const auto refusal = [&](const std::function<void(NamedTensors&)>& change, const std::string& config = "") {
    NamedTensors tensors = drawn.file();
    change(tensors);
    write_weights(file, tensors);
    fs::remove(directory.path() / "config.json");
    if (!config.empty()) write_file_atomically(directory.path() / "config.json", config);
    return error_of([&] { load_uniter_files(file); });
  };
  CHECK(refusal([](NamedTensors&) {}) == "no error");
  CHECK(lacking(refusal([](NamedTensors& t) { t.erase("uniter.pooler.dense.bias"); }),
                {"model.safetensors", "1 is missing", "uniter.pooler.dense.bias"}) == "");
  CHECK(lacking(refusal([](NamedTensors& t) { t["uniter.more"] = Tensor::zeros({1}); }), {"uniter.more"}) == "");
  CHECK(lacking(refusal([](NamedTensors& t) {
                  t["itm_output.weight"] = Tensor::zeros({3, 128});
                }),
                {"itm_output.weight"}) == "");
  CHECK(lacking(refusal([](NamedTensors& t) { t.erase("uniter.img_embeddings.img_linear.weight"); }),
                {"is no UNITER"}) == "");
  CHECK(lacking(refusal([](NamedTensors&) {}, R"({"hidden_size": 1048576, "num_attention_heads": 1})"),
                {"do not belong together"}) == "");
  CHECK(lacking(refusal([](NamedTensors&) {}, R"({"img_dim": "five"})"), {"config.json", "img_dim"}) == "");
  CHECK(lacking(error_of([&] { load_uniter_files(file, {.config = directory.path() / "no.json"}); }),
                {"no.json: no such file"}) == "");
}

TEST_CASE("uniter files: written anew, in f32 or bf16, in the place of such a folder and of no other") {
  const tests::TemporaryDirectory directory;
  const DrawnUniter drawn(wide_uniter(), {.matching = true});
  const fs::path vocabulary = directory.path() / "words.txt", out = directory.path() / "out";
  write_file_atomically(vocabulary, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n");
  const auto write = [&](DType dtype, bool replace) {
    return error_of([&] {
      write_region_model(out, drawn.model.uniter.config.to_json(), drawn.parameters, split_qkv, vocabulary, dtype,
                         replace);
    });
  };
  CHECK(write(DType::f32, false) == "no error");
  CHECK(state_of(*load_uniter_files(out).parameters) == state_of(drawn.parameters));
  CHECK(fs::exists(out / "vocab.txt"));
  CHECK(write(DType::bf16, false) != "no error");
  CHECK(write(DType::bf16, true) == "no error");
  for (const auto& [name, tensor] : load_safetensors((out / "model.safetensors").string()).tensors)
    CHECK_MESSAGE(tensor.dtype() == DType::bf16, name);
  // bf16 keeps eight bits.
  const auto read = state_of(*load_uniter_files(out).parameters), kept = state_of(drawn.parameters);
  size_t others = 0;
  for (const auto& [name, values] : kept)
    for (size_t i = 0; i < values.size(); ++i)
      others += std::abs(read.at(name)[i] - values[i]) > std::abs(values[i]) / 256;
  CHECK(others == 0);
}

TEST_CASE("vilbert files: a run's checkpoint reads back, and heads tell what a file is for") {
  tests::RegionScenes scenes;
  const tests::TemporaryDirectory directory;
  VilbertTask task(tests::vilbert_options(), scenes.source, scenes.lookup, scenes.quarantine);
  task.save(directory.path());
  REQUIRE(is_vilbert(directory.path()));
  CHECK(!is_uniter(directory.path()));
  const LoadedVilbert loaded = load_vilbert_files(directory.path());
  CHECK(std::holds_alternative<std::unique_ptr<VilbertPretraining>>(loaded.model));
  CHECK(state_of(*loaded.parameters) == state_of(task.parameters()));
  CHECK(loaded.config.t_biattention_id == std::vector<int64_t>{1});
  CHECK(loaded.vocabulary == directory.path() / "vocab.txt");
  const fs::path file = directory.path() / "model.safetensors";
  const NamedTensors tensors = load_safetensors(file.string()).tensors;
  for (const char* name : {"bert.encoder.c_layer.0.biattention.query1.weight", "cls.predictions.bias",
                           "bert.encoder.v_layer.0.attention.self.key.weight", "cls.bi_seq_relationship.weight"})
    CHECK_MESSAGE(tensors.contains(name), name);

  NamedTensors with_decoder = tensors;
  with_decoder["cls.predictions.decoder.weight"] = tensors.at("bert.embeddings.word_embeddings.weight");
  write_weights(file, with_decoder);
  CHECK(state_of(*load_vilbert_files(file).parameters) == state_of(task.parameters()));

  VilbertConfig config = tests::vilbert_options().model;
  config.num_answers = 6;
  VilbertVqa questions(config);
  ParameterSet parameters(questions);
  write_weights(file, published(parameters, vilbert_file_views));
  // As the published JSON files, that of the run says nothing of answers.
  const std::vector<uint8_t> bytes = read_file(directory.path() / "config.json");
  std::string json(bytes.begin(), bytes.end());
  const size_t at = json.find(R"("num_answers")");
  json.replace(at, 13, R"("other")");
  write_file_atomically(directory.path() / "config.json", json);
  const LoadedVilbert other = load_vilbert_files(file);
  CHECK(std::holds_alternative<std::unique_ptr<VilbertVqa>>(other.model));

  NamedTensors lacking_one = tensors;
  lacking_one.erase("bert.t_pooler.dense.bias");
  write_weights(file, lacking_one);
  CHECK(lacking(error_of([&] { load_vilbert_files(file); }), {"model.safetensors", "bert.t_pooler.dense.bias"}) == "");
  write_weights(file, tensors);
  fs::remove(directory.path() / "config.json");
  CHECK(lacking(error_of([&] { load_vilbert_files(file); }), {"do not belong together"}) == "");
  write_weights(file, {{"a", Tensor::zeros({1})}});
  CHECK(lacking(error_of([&] { load_vilbert_files(file); }), {"is no ViLBERT"}) == "");
}

}  // namespace tessera::region_model_files_test

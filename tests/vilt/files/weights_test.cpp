#include "vilt/files/weights.h"

#include <doctest/doctest.h>

#include "io/safetensors.h"
#include "io/weights/shards.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::weights_test {
namespace {

using tests::error_of;
using tests::lacking;
using tests::TemporaryDirectory;

namespace fs = std::filesystem;

const fs::path kGolden = TESSERA_GOLDEN_DIR;

// The tensors of the masked-word reference in two shards, with their index.
void write_shards(const fs::path& folder) {
  const NamedTensors all = load_safetensors((kGolden / "vilt_mlm" / "model.safetensors").string()).tensors;
  NamedTensors parts[2];
  std::string map;
  size_t i = 0;
  for (const auto& [name, tensor] : all) {
    const size_t shard = i++ < all.size() / 3 ? 0 : 1;
    parts[shard].emplace(name, tensor);
    map += (map.empty() ? "" : ", ") + text("\"", name, "\": \"part", shard, ".safetensors\"");
  }
  save_safetensors((folder / "part0.safetensors").string(), parts[0]);
  save_safetensors((folder / "part1.safetensors").string(), parts[1]);
  std::ofstream(folder / "model.safetensors.index.json") << "{\"metadata\": {}, \"weight_map\": {" << map << "}}";
}

std::string index_error(const std::string& json) {
  return error_of([&] { read_shard_index(json, "index.json"); });
}

}  // namespace

TEST_CASE("Shards and one file give the same tensors") {
  const TemporaryDirectory directory;
  write_shards(directory.path());
  CHECK(holds_weights(directory.path()));
  const Weights shards = read_weights(directory.path());
  const Weights whole = read_weights(kGolden / "vilt_mlm");
  CHECK(shards.format == "safetensors, 2 shards");
  CHECK(whole.format == "safetensors");
  REQUIRE(shards.raw.size() == whole.raw.size());
  for (const auto& [name, tensor] : whole.raw)
    CHECK(shards.raw.at(name).to_vector<float>() == tensor.to_vector<float>());
}

TEST_CASE("Shards that do not hold together") {
  const TemporaryDirectory directory;
  write_shards(directory.path());
  const fs::path index = directory.path() / "model.safetensors.index.json",
                 second = directory.path() / "part1.safetensors";
  NamedTensors tensors = load_safetensors(second.string()).tensors;
  const std::string moved = "vilt.embeddings.cls_token";  // of the first
  const Tensor last = tensors.begin()->second;
  tensors.erase(tensors.begin());
  save_safetensors(second.string(), tensors);
  CHECK(lacking(error_of([&] { read_weights(index); }),
                {"part1.safetensors: does not hold ", ", which the index expects there"}) == "");
  tensors = load_safetensors((directory.path() / "part0.safetensors").string()).tensors;
  write_shards(directory.path());
  NamedTensors doubled = load_safetensors(second.string()).tensors;
  doubled.insert(*tensors.begin());
  save_safetensors(second.string(), doubled);
  CHECK(lacking(error_of([&] { read_weights(index); }),
                {"part1.safetensors: ", tensors.begin()->first.c_str(), " is in another shard too"}) == "");
  fs::remove(second);
  CHECK(lacking(error_of([&] { read_weights(index); }), {"index.json: the shard part1.safetensors is not there"}) ==
        "");
}

TEST_CASE("Shards without their index are known by their names") {
  const TemporaryDirectory directory;
  write_shards(directory.path());
  fs::remove(directory.path() / "model.safetensors.index.json");
  const fs::path first = directory.path() / "model-00001-of-00002.safetensors",
                 second = directory.path() / "model-00002-of-00002.safetensors";
  fs::rename(directory.path() / "part0.safetensors", first);
  fs::rename(directory.path() / "part1.safetensors", second);
  const Weights whole = read_weights(kGolden / "vilt_mlm");
  CHECK(holds_weights(directory.path()));
  for (const fs::path& path : {directory.path(), first, second}) {
    const Weights shards = read_weights(path);
    CHECK(shards.format == "safetensors, 2 shards");
    CHECK(shards.notes.front() == "assumed: no index; the files are the 2 shards");
    REQUIRE(shards.raw.size() == whole.raw.size());
    for (const auto& [name, tensor] : whole.raw)
      CHECK(shards.raw.at(name).to_vector<float>() == tensor.to_vector<float>());
  }
  // Another model's shards, and torch's, which come second.
  directory.write("pytorch_model-00001-of-00009.bin", "");
  CHECK(read_weights(directory.path()).raw.size() == whole.raw.size());
  directory.write("model-00001-of-00009.safetensors", "");
  CHECK(lacking(error_of([&] { read_weights(directory.path()); }),
                {": holds the shards of 2 models", "name one shard of the model that is meant"}) == "");
  CHECK(read_weights(second).raw.size() == whole.raw.size());
  fs::remove(directory.path() / "model-00001-of-00009.safetensors");
  fs::remove(first);
  CHECK(lacking(error_of([&] { read_weights(directory.path()); }),
                {"model-00002-of-00002.safetensors: the shard model-00001-of-00002.safetensors is not there"}) == "");
  for (const char* name :
       {"model-00003-of-00002.safetensors", "model-00000-of-00002.safetensors", "model-1-of-2.safetensors",
        "model-00001-of-0000x.safetensors", "-of-00001.bin", ".bin", "model-00001-of-00002.txt"})
    CHECK_FALSE_MESSAGE(is_shard(name), name);
}

TEST_CASE("An index names files, never folders") {
  CHECK(
      read_shard_index(R"({"weight_map": {"a": "x.safetensors", "b": "y.safetensors", "c": "x.safetensors"}})", "i") ==
      std::map<std::string, std::vector<std::string>>{{"x.safetensors", {"a", "c"}}, {"y.safetensors", {"b"}}});
  for (const char* hostile :
       {"../x.safetensors", "/etc/passwd", "a/b.safetensors", "..", ".", "", "a\\\\b", "x.index.json"})
    CHECK_MESSAGE(lacking(index_error(text("{\"weight_map\": {\"a\": \"", hostile, "\"}}")),
                          {"index.json: the file of a is ", "expected a name without folders"}) == "",
                  hostile);
  CHECK(lacking(index_error(R"({"weight_map": {"a": 3}})"), {"index.json: the file of a is 3"}) == "");
  CHECK(lacking(index_error("{\"weight_map\": {\"a\": " + std::string(100000, '[')),
                {"index.json: values nested deeper than 32"}) == "");
  CHECK(lacking(index_error(R"({"weight_map": {}})"), {"index.json: the weight_map is empty"}) == "");
  for (const char* json : {"[]", "{", "{}", R"({"weight_map": []})"})
    CHECK_MESSAGE(lacking(index_error(json), {"index.json: "}) == "", json);
}

TEST_CASE("Places without weights are named") {
  const TemporaryDirectory directory;
  CHECK_FALSE(holds_weights(directory.path()));
  CHECK(lacking(error_of([&] { read_weights(directory.path()); }),
                {": holds no weights: neither model.safetensors nor "}) == "");
  CHECK(lacking(error_of([&] { read_weights(directory.path() / "x.bin"); }), {"x.bin: no such file or directory"}) ==
        "");
}

TEST_CASE("Half precision is read") {
  const TemporaryDirectory directory;
  const Weights whole = read_weights(kGolden / "vilt_mlm");
  NamedTensors halves;
  for (const auto& [name, tensor] : whole.raw) halves.emplace(name, tensor.to(DType::bf16));
  save_safetensors((directory.path() / "model.safetensors").string(), halves);
  const Weights read = read_weights(directory.path());
  for (const auto& [name, tensor] : read.raw)
    CHECK(tensor.to(DType::f32).to_vector<float>() ==
          whole.raw.at(name).to(DType::bf16).to(DType::f32).to_vector<float>());
}

TEST_CASE("Sizes follow from the tensors; the number of heads does not") {
  Weights weights = read_weights(kGolden / "vilt_mlm");
  CHECK(lacking(error_of([&] { config_of(weights); }),
                {": the file does not say how many attention heads the model has", "--config", "--attention-heads"}) ==
        "");
  weights.attention_heads = 4;
  const ModelConfig derived = adapt(config_of(weights), weights);
  ModelConfig given = adapt(ModelConfig::from_file(kGolden / "vilt_mlm" / "config.json"), weights);
  given.architecture.clear();
  CHECK(derived.to_json() == given.to_json());
  CHECK(derived.heads == given.heads);

  Weights pairs = read_weights(kGolden / "vilt_nlvr2");
  pairs.attention_heads = 3;
  const ModelConfig two = config_of(pairs);
  CHECK(two.num_images == 2);
  CHECK(two.labels == std::vector<std::string>{"LABEL_0", "LABEL_1"});
  CHECK(two.modality_type_vocab_size == 3);
}

TEST_CASE("The authors' names bring the authors' settings") {
  Weights weights = read_weights(kGolden / "vilt_mlm");
  weights.attention_heads = 4;
  const ModelConfig config = adapt(config_of(weights), weights);
  weights.state = our_names(authors_names(weights.state.tensors, config), "file");
  const ModelConfig authors = config_of(weights);
  CHECK(authors.layer_norm_eps == 1e-6);
  CHECK(authors.text_layer_norm_eps == 1e-12);
  CHECK(authors.mlm_layer_norm_eps == 1e-12);
  CHECK(authors.dropout_after_activation);
  CHECK(config.layer_norm_eps == 1e-12);
  CHECK_FALSE(config.dropout_after_activation);
}

TEST_CASE("What no configuration can be derived from") {
  Weights weights = read_weights(kGolden / "vilt_mlm");
  weights.attention_heads = 4;
  const auto without = [&](const std::string& name, const Tensor& instead) {
    Weights changed = weights;
    changed.state.tensors.erase(name);
    if (instead.defined()) changed.state.tensors.emplace(name, instead);
    return error_of([&] { config_of(changed); });
  };
  const std::string words = "vilt.embeddings.text_embeddings.word_embeddings.weight";
  CHECK(lacking(without(words, {}), {"no configuration can be derived: there is no ", words.c_str()}) == "");
  CHECK(lacking(without(words, Tensor::zeros({3})), {"no configuration can be derived: ", words.c_str(), " is [3]"}) ==
        "");
  // No elements, so no bytes in the file: the other size may be anything.
  CHECK(lacking(without(words, Tensor::zeros({int64_t{1} << 40, 0})), {words.c_str(), " is [1099511627776, 0]"}) == "");
  CHECK(lacking(without("vilt.embeddings.position_embeddings", Tensor::zeros({1, 12, 32})),
                {"11 image positions are not a square"}) == "");
  CHECK(lacking(without("vilt.encoder.layer.0.intermediate.dense.weight", {}), {"there are no transformer blocks"}) ==
        "");
}

TEST_CASE("A configuration is fitted to what the file holds, and says so") {
  Weights weights = read_weights(kGolden / "vilt_mlm");
  const ModelConfig given = ModelConfig::from_file(kGolden / "vilt_mlm" / "config.json");
  CHECK(given.tie_word_embeddings);                        // transformers always says so
  CHECK_FALSE(adapt(given, weights).tie_word_embeddings);  // the file holds a decoder of its own
  CHECK(weights.notes.empty());

  weights.state.tensors.emplace("itm_score.fc.weight", Tensor::zeros({2, 32}));
  weights.state.tensors.emplace("itm_score.fc.bias", Tensor::zeros({2}));
  const ModelConfig with_matching = adapt(given, weights);
  CHECK(with_matching.heads == Heads::pretraining());
  REQUIRE(weights.notes.size() == 1);
  CHECK(lacking(weights.notes[0], {"used: the matching head (itm_score.fc), which ViltForMaskedLM does not have"}) ==
        "");

  weights.notes.clear();
  ModelConfig untied = given;
  untied.tie_word_embeddings = false;
  weights.state.tensors.erase("mlm_score.decoder.weight");
  CHECK(adapt(untied, weights).tie_word_embeddings);
  CHECK(weights.notes.size() == 2);

  weights = read_weights(kGolden / "vilt_mlm");
  weights.state.tensors.emplace("vilt.embeddings.mask_token", Tensor::zeros({1, 1, 32}));
  ModelConfig dropout = given;
  dropout.attention_probs_dropout_prob = 0.1;
  CHECK_FALSE(adapt(dropout, weights).heads.masked_patches);
  CHECK_FALSE(weights.state.tensors.contains("vilt.embeddings.mask_token"));
  REQUIRE(weights.notes.size() == 2);
  CHECK(lacking(weights.notes[0], {"ignored: the mask token of patches"}) == "");
  CHECK(lacking(weights.notes[1], {"attention_probs_dropout_prob is 0.1"}) == "");
}

}  // namespace tessera::weights_test

#include "vilt/tasks/initial_weights.h"

#include "tests/vilt/tasks/short_run.h"

namespace tessera::initial_weights_test {
namespace {

using namespace short_run;

// Two steps that change nothing, from the weights at `from`, with the sizes left to them.
Settings settings_from(const fs::path& from, const fs::path& out) {
  Settings settings = settings_in(out);
  settings.model = ModelConfig();
  settings.model.hidden_dropout_prob = 0.1;
  settings.train.init_from = from;
  settings.train.steps = 2;
  settings.optimizer.learning_rate = 0;
  return settings;
}

NamedTensors weights_in(const fs::path& folder) {
  return load_safetensors((folder / "model.safetensors").string()).tensors;
}

NamedTensors trained_weights(const fs::path& run) { return weights_in(*newest_checkpoint(run)); }

bool same_values(const NamedTensors& a, const NamedTensors& b, const std::string& prefix) {
  bool same = true;
  for (const auto& [name, tensor] : a)
    if (name.starts_with(prefix)) same = same && tensor.to_vector<float>() == b.at(name).to_vector<float>();
  return same;
}

// The weights of the finished run as somebody else would keep them, to be changed.
struct OtherFolder {
  explicit OtherFolder(const fs::path& folder) : path(folder) {
    fs::copy(*newest_checkpoint(finished_run().run()), path);
    fs::remove(path / "state.json");
    fs::remove(path / "optimizer.safetensors");
  }
  void change(const std::function<void(NamedTensors&)>& change) const {
    NamedTensors tensors = weights_in(path);
    change(tensors);
    save_safetensors((path / "model.safetensors").string(), tensors);
  }
  fs::path path;
};

}  // namespace

TEST_CASE("A run begins with the weights, sizes and vocabulary of another, and its figures are those before training") {
  const TemporaryDirectory directory;
  const FinishedRun& before = finished_run();
  Settings settings = settings_from(before.run(), directory.path() / "run");
  const std::string log = train_log(settings);
  CHECK(lacking(log, {"begins with the weights of ", before.run().string().c_str(), "checkpoint-8",
                      "(safetensors): ", "hidden_size = 16", "init_from = "}) == "");
  CHECK(lacking(log, {"new: "}) != "");
  const NamedTensors old = trained_weights(before.run());
  CHECK(same_values(old, trained_weights(settings.train.out), ""));
  const json summary = json::parse(contents(directory.path() / "run" / "summary.json"));
  CHECK(summary.at("untrained") == json::parse(contents(before.run() / "summary.json")).at("test"));
  CHECK(summary.at("test") == summary.at("untrained"));
  CHECK(lacking(train_log(settings), {"is finished"}) == "");
}

TEST_CASE("A size that was meant and cannot be had is an error; so are other words") {
  const TemporaryDirectory directory;
  Settings settings = settings_from(finished_run().run(), directory.path() / "run");
  settings.model.hidden_size = 48;
  CHECK(train_error(settings) ==
        "setting 'model.hidden_size' is 48, but the weights of 'train.init_from' have 16; "
        "leave it out to take theirs");
  settings.model.hidden_size = 16;
  settings.data.vocabulary = directory.path() / "words.txt";
  std::vector<std::string> tokens = tests::tiny_scenes().vocabulary().tokens();
  std::swap(tokens[tokens.size() - 1], tokens[tokens.size() - 2]);
  write_vocabulary(settings.data.vocabulary, tokens);
  CHECK(lacking(train_error(settings), {"words.txt: is not the vocabulary of the weights of 'train.init_from'"}) == "");
  tokens.pop_back();
  write_vocabulary(settings.data.vocabulary, tokens);
  CHECK(lacking(train_error(settings), {"words.txt: has ", " tokens, the weights of 'train.init_from' "}) == "");
  settings.data.vocabulary.clear();
  settings.train.init_from = directory.path() / "nowhere";
  CHECK(lacking(train_error(settings), {"setting 'train.init_from': ", "nowhere: no such file or directory"}) == "");
  CHECK_FALSE(fs::exists(settings.train.out));
  fs::create_directories(settings.train.out);
  settings.train.init_from = settings.train.out + "/.";
  CHECK(lacking(train_error(settings), {"is the run's own folder"}) == "");
}

TEST_CASE(
    "The backbone has to be whole; a head that is not there, or of another size, is new, and others are left out") {
  const TemporaryDirectory directory;
  const OtherFolder other(directory.path() / "other");
  const Settings settings = settings_from(other.path, directory.path() / "run");
  other.change([](NamedTensors& tensors) {
    tensors.erase("itm_score.fc.bias");
    tensors["classifier.3.weight"] = Tensor::zeros({2, 3});
    tensors["surplus"] = Tensor::zeros({2});
  });
  const std::string log = train_log(settings);
  CHECK(lacking(log, {"new: the matching head, which the weights do not have",
                      "weights: left out: 2 tensors that are not the model's: classifier.3.weight, surplus"}) == "");
  CHECK(log.find("new: the masked-word") == std::string::npos);
  const NamedTensors old = trained_weights(finished_run().run()), now = trained_weights(settings.train.out);
  CHECK(same_values(old, now, "vilt."));
  CHECK(same_values(old, now, "mlm_score."));
  // As drawn by the seed, which is that of the run before.
  ViltWithHeads drawn(load_model(settings.train.out).config);
  initialise(drawn, settings.init, static_cast<uint64_t>(settings.train.seed));
  CHECK(now.at("itm_score.fc.weight").to_vector<float>() == drawn.matching->weight.value().to_vector<float>());
  CHECK_FALSE(same_values(old, now, "itm_score."));

  other.change([](NamedTensors& tensors) {
    tensors.erase("vilt.pooler.dense.bias");
    tensors["vilt.layernorm.bias"] = Tensor::zeros({5});
  });
  const Settings again = settings_from(other.path, directory.path() / "again");
  CHECK(lacking(train_error(again), {"model.safetensors: the tensors are not those of the backbone; nothing was loaded",
                                     "missing: vilt.pooler.dense.bias", "vilt.layernorm.bias is [5]"}) == "");
  CHECK_FALSE(fs::exists(again.train.out));
}

TEST_CASE("A run with the weights of another goes on bit for bit, also when those are gone") {
  const TemporaryDirectory directory;
  const OtherFolder other(directory.path() / "other");
  ModelConfig config = ModelConfig::from_file(other.path / "config.json");
  config.text_layer_norm_eps = 3e-4;  // no setting says it
  std::ofstream(other.path / "config.json") << config.to_json();
  const auto make = [&](const char* name) {
    Settings settings = settings_from(other.path, directory.path() / name);
    settings.train.steps = 8;
    settings.optimizer.learning_rate = 2e-3;
    return settings;
  };
  const Settings whole = make("whole"), cut = make("cut");
  train_log(whole);
  train_until(cut, "step      4");
  fs::remove_all(other.path);
  CHECK(lacking(train_log(cut), {"continuing from step 2 of 8", "(train.init_from) is not there any more"}) == "");
  CHECK(same_bits(*newest_checkpoint(whole.train.out), *newest_checkpoint(cut.train.out)));
  CHECK(load_model(cut.train.out).config.text_layer_norm_eps == 3e-4);
  Settings changed = cut;
  changed.train.init_from = directory.path();
  CHECK(lacking(train_error(changed), {"now     [train] init_from = ", "before  [train] init_from = "}) == "");
}

TEST_CASE(
    "A file of weights without anything beside it needs the number of attention heads, and takes the data's words") {
  const TemporaryDirectory directory;
  fs::create_directory(directory.path() / "weights");
  const fs::path file = directory.path() / "weights" / "w.safetensors";
  fs::copy(*newest_checkpoint(finished_run().run()) / "model.safetensors", file);
  Settings settings = settings_from(file, directory.path() / "run");
  CHECK(lacking(train_error(settings), {"how many attention heads", "model.num_attention_heads"}) == "");
  settings.model.num_attention_heads = 2;
  CHECK(lacking(train_log(settings), {"weights: assumed: no config.json", "begins with the weights of "}) == "");
  CHECK(same_values(trained_weights(finished_run().run()), trained_weights(settings.train.out), ""));
}

TEST_CASE("Pictures that were prepared otherwise for the weights are told of") {
  const TemporaryDirectory directory;
  Settings settings = settings_from(finished_run().run(), directory.path() / "run");
  CHECK(lacking(train_log(settings), {"prepared otherwise"}) != "");
  settings.train.out = directory.path() / "other";
  settings.image.mean = 0.25;
  CHECK(lacking(train_log(settings), {"note: the weights were trained on pictures prepared otherwise: image.mean ",
                                      " there and 0.25 here"}) == "");
  PictureOptions there, here;
  CHECK(prepared_otherwise(there, here) == "");
  here.shorter = 224;
  here.norm.std = {0.5F, 0.25F, 0.5F};
  here.respect_orientation = true;
  CHECK(prepared_otherwise(there, here) ==
        "the weights were trained on pictures prepared otherwise: image.std 0.5 there and 0.5 0.25 0.5 here, "
        "image.shorter 384 there and 224 here, image.respect_orientation false there and true here");
  here = {};
  here.resize = false;
  here.shorter = 224;  // of no effect
  CHECK(prepared_otherwise(there, here) ==
        "the weights were trained on pictures prepared otherwise: image.resize shorter there and none here");
}

}  // namespace tessera::initial_weights_test

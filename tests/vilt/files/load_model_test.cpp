#include "vilt/files/load_model.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/safetensors.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::load_model_test {
namespace {

using tests::error_of;
using tests::lacking;
using tests::TemporaryDirectory;

namespace fs = std::filesystem;

const fs::path kGolden = TESSERA_GOLDEN_DIR;

// A copy of a reference checkpoint (which has no vocab.txt), to be changed.
class Checkpoint {
 public:
  explicit Checkpoint(const char* name) {
    for (const char* file : {"config.json", "model.safetensors"}) fs::copy(kGolden / name / file, path() / file);
    options.needs_vocabulary = false;
    options.report = [this](const std::string& line) { report += line + "\n"; };
  }
  const fs::path& path() const { return directory_.path(); }
  LoadedModel load() const { return load_model(path(), options); }
  std::string error() const {
    return error_of([&] { load(); });
  }
  void change_tensors(const std::function<void(NamedTensors&)>& change) const {
    const std::string file = (path() / "model.safetensors").string();
    NamedTensors tensors = load_safetensors(file).tensors;
    change(tensors);
    save_safetensors(file, tensors);
  }
  void write(const std::string& name, std::string_view contents) const { directory_.write(name, contents); }

  LoadOptions options;
  std::string report;

 private:
  TemporaryDirectory directory_;
};

std::vector<float> values(const LoadedModel& model, const std::string& name) {
  return model.parameters->at(name).value().to_vector<float>();
}

const std::string kPooler = "vilt.pooler.dense.bias";

}  // namespace

TEST_CASE("A folder of another system is named as such") {
  const Checkpoint clip("vilt_mlm");
  clip.write("config.json", R"({"model_type": "clip"})");
  CHECK(lacking(clip.error(), {"config.json: field 'model_type' is 'clip', expected \"vilt\"", "another system"}) ==
        "");
  const Checkpoint detector("vilt_mlm");
  fs::remove(detector.path() / "config.json");
  detector.write("regions.json", R"({"model_type": "faster-rcnn"})");
  CHECK(lacking(detector.error(), {"regions.json: field 'model_type' is 'faster-rcnn'", "another system"}) == "");
}

TEST_CASE("Hugging Face's classes are loaded with their heads") {
  CHECK(Checkpoint("vilt_mlm").load().config.heads == Heads{.masked_words = true});
  CHECK(Checkpoint("vilt_vqa").load().config.heads == Heads{.classifier = true});
  CHECK(Checkpoint("vilt_retrieval").load().config.heads == Heads{.rank = true});
  const LoadedModel pairs = Checkpoint("vilt_nlvr2").load();
  CHECK(pairs.config.heads == Heads{.classifier = true});
  CHECK(pairs.config.num_images == 2);
  CHECK(Checkpoint("vilt_mlm_tied").load().config.tie_word_embeddings);
}

TEST_CASE("Differences are listed, with both shapes") {
  const Checkpoint checkpoint("vilt_mlm");
  checkpoint.change_tensors([](NamedTensors& tensors) {
    tensors.erase(kPooler);
    tensors["vilt.layernorm.weight"] = Tensor::zeros({7});
    tensors["surplus"] = Tensor::zeros({2, 3});
  });
  CHECK(lacking(checkpoint.error(),
                {"model.safetensors: the tensors are not those of the model; nothing was loaded",
                 "missing: vilt.pooler.dense.bias, expected [32]", "shape: vilt.layernorm.weight is [7], expected [32]",
                 "unexpected: surplus [2, 3]"}) == "");
}

TEST_CASE("No memory is taken for a configuration that has nothing to do with the weights") {
  const Checkpoint checkpoint("vilt_mlm");
  ModelConfig config = ModelConfig::from_file(checkpoint.path() / "config.json");
  config.hidden_size = 1 << 20;
  checkpoint.write("config.json", config.to_json());
  CHECK(lacking(checkpoint.error(), {"model.safetensors: the configuration describes a model of about ",
                                     "config.json does not belong to them"}) == "");
}

TEST_CASE("partial loads what fits and tells what did not") {
  Checkpoint checkpoint("vilt_mlm");
  const std::vector<float> kept = values(checkpoint.load(), "vilt.layernorm.bias");
  checkpoint.change_tensors([](NamedTensors& tensors) {
    tensors.erase(kPooler);
    tensors["vilt.layernorm.weight"] = Tensor::zeros({7});
    tensors["surplus"] = Tensor::zeros({2, 3});
  });
  checkpoint.options.strictness = Strictness::none;
  checkpoint.report.clear();
  const LoadedModel model = checkpoint.load();
  CHECK(values(model, "vilt.layernorm.bias") == kept);
  CHECK(values(model, kPooler) == std::vector<float>(32, 0.0f));  // as initialised
  CHECK(values(model, "vilt.layernorm.weight") == std::vector<float>(32, 1.0f));
  CHECK(lacking(checkpoint.report, {"not loaded: missing: vilt.pooler.dense.bias, expected [32]",
                                    "not loaded: shape: vilt.layernorm.weight is [7], expected [32]",
                                    "not loaded: unexpected: surplus [2, 3]"}) == "");
}

TEST_CASE("partial names ten of what did not fit, and counts the rest") {
  Checkpoint checkpoint("vilt_mlm");
  checkpoint.change_tensors([](NamedTensors& tensors) {
    for (int i = 0; i < 13; ++i) tensors[text("surplus.", i)] = Tensor::zeros({2});
  });
  checkpoint.options.strictness = Strictness::none;
  checkpoint.load();
  CHECK(lacking(checkpoint.report, {"not loaded: … and 3 more"}) == "");
  int named = 0;
  for (size_t at = 0; (at = checkpoint.report.find("not loaded: unexpected: surplus.", at)) != std::string::npos; ++at)
    ++named;
  CHECK(named == 10);
}

TEST_CASE("What is known to be harmless is accepted and reported") {
  Checkpoint checkpoint("vilt_mlm");
  checkpoint.change_tensors([](NamedTensors& tensors) {
    tensors["vilt.embeddings.text_embeddings.position_ids"] = Tensor::from<int64_t>({0, 1, 2}, {1, 3});
    tensors["mlm_score.bias"] = tensors.at("mlm_score.decoder.bias");
    tensors["itm_score.fc.weight"] = Tensor::zeros({2, 32});
    tensors["itm_score.fc.bias"] = Tensor::full({2}, 5.0);
  });
  const LoadedModel model = checkpoint.load();
  CHECK(values(model, "itm_score.fc.bias") == std::vector<float>{5, 5});
  CHECK(lacking(checkpoint.report,
                {"ignored: vilt.embeddings.text_embeddings.position_ids", "used: the matching head"}) == "");
}

TEST_CASE("Labels: from config.json, from a file, and as many as the classifier has") {
  Checkpoint checkpoint("vilt_vqa");
  CHECK(checkpoint.load().config.labels[10] == "LABEL_10");
  std::string list;
  for (const char* label : {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}) list += std::string(label) + "\n";
  checkpoint.write("labels.txt", list);
  checkpoint.options.labels = checkpoint.path() / "labels.txt";
  CHECK(checkpoint.load().config.labels[10] == "k");
  checkpoint.write("labels.txt", list + "l\n");
  CHECK(lacking(checkpoint.error(), {"labels.txt: holds 12 labels, the model's classifier has 11"}) == "");
  Checkpoint other("vilt_mlm");
  other.options.labels = checkpoint.path() / "labels.txt";
  CHECK(lacking(other.error(), {": labels are given, but the model has no classifier"}) == "");
}

TEST_CASE("Labels of a file come before those of config.json, whatever that names") {
  Checkpoint checkpoint("vilt_vqa");
  nlohmann::json config = nlohmann::json::parse(read_file(checkpoint.path() / "config.json"));
  config.erase("id2label");
  config.erase("label2id");
  checkpoint.write("config.json", config.dump());
  CHECK(lacking(checkpoint.error(),
                {"config.json: names no labels (id2label), which stands for two, but the classifier has "
                 "11; give them with --labels, one a line"}) == "");
  std::string list;
  for (int i = 0; i < 11; ++i) list += text("label ", i, "\n");
  checkpoint.write("labels.txt", list);
  checkpoint.options.labels = checkpoint.path() / "labels.txt";
  CHECK(checkpoint.load().config.labels[10] == "label 10");
  config["id2label"] = {{"0", "one"}, {"1", "too"}, {"2", "few"}};
  checkpoint.write("config.json", config.dump());
  CHECK(checkpoint.load().config.labels[3] == "label 3");
  config["id2label"] = {{"0", "one"}, {"7", "gap"}};
  checkpoint.write("config.json", config.dump());
  CHECK(checkpoint.load().config.labels[3] == "label 3");
  config["id2label"] = {{"0", "one"}, {"1", "too"}, {"2", "few"}};
  checkpoint.write("config.json", config.dump());
  checkpoint.options.labels.clear();
  CHECK(lacking(checkpoint.error(), {"config.json: names 3 labels (id2label), but the classifier has 11"}) == "");
  config.erase("id2label");
  config["num_labels"] = 11;
  checkpoint.write("config.json", config.dump());
  CHECK(checkpoint.load().config.labels[10] == "LABEL_10");
  config["num_labels"] = -1;
  checkpoint.write("config.json", config.dump());
  CHECK(lacking(checkpoint.error(), {"config.json: field 'num_labels' has the value -1"}) == "");
}

TEST_CASE("A prefix that every name has is taken off, and said") {
  for (const std::string prefix : {"module.", "_orig_mod.", "model.", "_orig_mod.module.", "module._orig_mod.net."}) {
    CAPTURE(prefix);
    Checkpoint checkpoint("vilt_vqa");
    const std::vector<float> expected = values(checkpoint.load(), "vilt.layernorm.bias");
    checkpoint.report.clear();
    checkpoint.change_tensors([&](NamedTensors& tensors) {
      NamedTensors prefixed;
      for (const auto& [name, tensor] : tensors) prefixed[prefix + name] = tensor;
      tensors = prefixed;
    });
    CHECK(values(checkpoint.load(), "vilt.layernorm.bias") == expected);
    CHECK(lacking(checkpoint.report, {("taken off: the prefix '" + prefix + "', which every name has").c_str()}) == "");
    checkpoint.change_tensors([](NamedTensors& tensors) { tensors["alone"] = Tensor::zeros({1}); });
    CHECK(checkpoint.error() != "no error");
  }
}

TEST_CASE("partial: nothing that fits is an error, and a head that is not whole is none") {
  Checkpoint checkpoint("vilt_vqa");
  checkpoint.options.strictness = Strictness::none;
  checkpoint.change_tensors([](NamedTensors& tensors) { tensors.erase("classifier.3.bias"); });
  const LoadedModel model = checkpoint.load();
  CHECK_FALSE(model.model->classifier.has_value());
  CHECK_FALSE(model.config.heads.classifier);
  CHECK(lacking(checkpoint.report, {"not loaded: missing: classifier.3.bias",
                                    "not loaded: the classifier, which the model does not have then"}) == "");
  checkpoint.report.clear();
  checkpoint.change_tensors([](NamedTensors& tensors) {
    std::erase_if(tensors, [](const auto& entry) { return entry.first.find("layernorm") == std::string::npos; });
  });
  checkpoint.load();
  CHECK(checkpoint.report.find("loaded: only ") != std::string::npos);
  checkpoint.change_tensors([](NamedTensors& tensors) {
    NamedTensors others;
    for (const auto& [name, tensor] : tensors) others[name + ".other"] = tensor;
    tensors = others;
  });
  CHECK(lacking(checkpoint.error(), {"not one tensor is one of the model's"}) == "");
}

TEST_CASE("A label table that is not the classifier's is an error with both shapes") {
  const Checkpoint checkpoint("vilt_vqa");
  std::ifstream in(checkpoint.path() / "config.json");
  std::string json((std::istreambuf_iterator<char>(in)), {});
  const std::string last = ",\n    \"10\": \"LABEL_10\"";
  REQUIRE(json.find(last) != std::string::npos);
  json.erase(json.find(last), last.size());
  checkpoint.write("config.json", json);
  CHECK(lacking(
            checkpoint.error(),
            {"config.json: names 10 labels (id2label), but the classifier has 11: classifier.3.weight is [11, 48]"}) ==
        "");
}

TEST_CASE("Lists of labels in each form") {
  const TemporaryDirectory directory;
  const auto read = [&](std::string_view contents) { return read_labels(directory.write("labels", contents)); };
  const std::vector<std::string> two = {"no", "yes, it is"};
  CHECK(read(R"(["no", "yes, it is"])") == two);
  CHECK(read(R"({"1": "yes, it is", "0": "no"})") == two);
  CHECK(read(R"({"model_type": "vilt", "id2label": {"0": "no", "1": "yes, it is"}})") == two);
  CHECK(read("no\r\nyes, it is\r\n") == two);
  CHECK(read("\xef\xbb\xbfno\nyes, it is\n\r\n\n") == two);
  CHECK(read("\xef\xbb\xbf[\"no\", \"yes, it is\"]") == two);
  CHECK(read("no\n\n") == std::vector<std::string>{"no"});
  CHECK(lacking(error_of([&] { read(R"(["no", 3])"); }), {"labels: label 1 is a number, expected a string"}) == "");
  CHECK(lacking(error_of([&] { read(R"({"0": "no", "2": "yes"})"); }),
                {"labels: there are 2 labels, but none for class 1"}) == "");
  CHECK(lacking(error_of([&] { read(""); }), {"labels: holds no labels"}) == "");
  CHECK(lacking(error_of([&] { read("[]"); }), {"labels: holds no labels"}) == "");
}

TEST_CASE("What is not beside the weights is asked for") {
  Checkpoint checkpoint("vilt_mlm");
  checkpoint.options.needs_vocabulary = true;
  CHECK(lacking(checkpoint.error(), {": there is no vocab.txt and no tokenizer.json; give one with --vocab"}) == "");
  checkpoint.options.vocabulary = checkpoint.path() / "elsewhere.txt";
  CHECK(lacking(checkpoint.error(), {"elsewhere.txt: no such file"}) == "");
  checkpoint.write("elsewhere.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
  CHECK(lacking(checkpoint.error(), {"elsewhere.txt: has 5 tokens, the model 120"}) == "");
  checkpoint.options.needs_vocabulary = false;
  checkpoint.options.vocabulary.clear();
  fs::rename(checkpoint.path() / "config.json", checkpoint.path() / "other.json");
  CHECK(lacking(checkpoint.error(), {"does not say how many attention heads"}) == "");
  checkpoint.options.attention_heads = 4;
  checkpoint.report.clear();
  const std::vector<float> derived = values(checkpoint.load(), kPooler);
  CHECK(lacking(checkpoint.report,
                {"assumed: no config.json; sizes from the tensors, 4 attention heads, settings of Hugging Face's code",
                 "assumed: no preprocessor_config.json; the shorter side of pictures becomes 64 pixels"}) == "");
  checkpoint.options.config = checkpoint.path() / "other.json";
  CHECK(values(checkpoint.load(), kPooler) == derived);
  checkpoint.options.attention_heads = 8;
  CHECK(lacking(checkpoint.error(), {"other.json: has 4 attention heads (num_attention_heads), 8 are given"}) == "");
}

TEST_CASE("A file of weights is as good as its folder") {
  const Checkpoint checkpoint("vilt_mlm");
  const LoadedModel model = load_model(checkpoint.path() / "model.safetensors", checkpoint.options);
  CHECK(model.directory == checkpoint.path());
  CHECK(values(model, kPooler) == values(checkpoint.load(), kPooler));
  checkpoint.write("notes.txt", "nothing");
  CHECK(lacking(error_of([&] { load_model(checkpoint.path() / "notes.txt"); }),
                {"notes.txt: not a file of weights (.safetensors, "}) == "");
}

}  // namespace tessera::load_model_test

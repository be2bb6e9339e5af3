#include "vilt/files/convert.h"

#include <doctest/doctest.h>

#include "io/safetensors.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"
#include "vilt/files/model_folder.h"

namespace tessera::convert_test {
namespace {

using tests::error_of;
using tests::lacking;
using tests::TemporaryDirectory;

namespace fs = std::filesystem;

const fs::path kGolden = TESSERA_GOLDEN_DIR;

LoadedModel load(const fs::path& path) {
  LoadOptions options;
  options.needs_vocabulary = false;
  if (path.extension() == ".ckpt") options.attention_heads = 4;  // nothing says it
  return load_model(path, options);
}

bool same_values(const LoadedModel& a, const LoadedModel& b) {
  if (a.parameters->names() != b.parameters->names()) return false;
  for (const std::string& name : a.parameters->names())
    if (a.parameters->at(name).value().to_vector<float>() != b.parameters->at(name).value().to_vector<float>())
      return false;
  return true;
}

bool mentions(const std::vector<std::string>& remarks, const char* words) {
  for (const std::string& remark : remarks)
    if (remark.find(words) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("A converted directory holds the same model, and the tensors that Hugging Face's class has") {
  const std::pair<const char*, const char*> cases[] = {{"vilt_mlm", "ViltForMaskedLM"},
                                                       {"vilt_mlm_tied", "ViltForMaskedLM"},
                                                       {"vilt_vqa", "ViltForQuestionAnswering"},
                                                       {"vilt_retrieval", "ViltForImageAndTextRetrieval"},
                                                       {"vilt_nlvr2", "ViltForImagesAndTextClassification"}};
  for (const auto& [name, architecture] : cases) {
    CAPTURE(name);
    const TemporaryDirectory directory;
    const LoadedModel original = load(kGolden / name);
    CHECK(hugging_face_class(original.config) == architecture);
    const fs::path out = directory.path() / "out";
    const std::vector<std::string> remarks = write_hugging_face(original, out);
    CHECK(mentions(remarks, "there is no vocab.txt"));
    const LoadedModel converted = load(out);
    CHECK(converted.config.to_json() == original.config.to_json());
    CHECK(same_values(converted, original));
    // The reference was written by transformers: the same names and shapes, and nothing else.
    const SafeTensors theirs = load_safetensors((kGolden / name / "model.safetensors").string());
    const SafeTensors ours = load_safetensors((out / "model.safetensors").string());
    CHECK(ours.metadata.at("format") == "pt");
    CHECK(ours.tensors.size() == theirs.tensors.size());
    for (const auto& [tensor, values] : theirs.tensors) {
      REQUIRE_MESSAGE(ours.contains(tensor), tensor);
      CHECK(ours.at(tensor).shape() == values.shape());
      CHECK(ours.at(tensor).to_vector<float>() == values.to_vector<float>());
    }
    CHECK_FALSE(fs::exists(directory.path() / "out.partial"));
  }
}

TEST_CASE("The bare model, and bf16") {
  const TemporaryDirectory directory;
  LoadedModel model = load(kGolden / "vilt_mlm");
  model.config.heads = {};
  model.model = std::make_unique<ViltWithHeads>(model.config);
  model.parameters = std::make_unique<ParameterSet>(*model.model);
  CHECK(hugging_face_class(model.config) == "ViltModel");
  write_hugging_face(model, directory.path() / "bare", {DType::bf16, false});
  const SafeTensors written = load_safetensors((directory.path() / "bare" / "model.safetensors").string());
  CHECK(written.contains("embeddings.cls_token"));
  CHECK(written.at("pooler.dense.weight").dtype() == DType::bf16);
  CHECK(same_values(load(directory.path() / "bare"), model));
}

TEST_CASE("Heads without a place in Hugging Face's class, and epsilons it has no field for, are kept beside") {
  const TemporaryDirectory directory;
  const LoadedModel original = load(kGolden / "vilt_pretrain");
  const std::vector<std::string> remarks = write_hugging_face(original, directory.path() / "out");
  CHECK(mentions(remarks, "ViltForMaskedLM has no place for 2 tensors (itm_score.fc.bias, …)"));
  CHECK(mentions(remarks, "transformers knows one LayerNorm eps: it will use 1e-12 where this model has 1e-06"));
  CHECK(mentions(remarks, "the masked-word decoder is not the word table"));
  CHECK_FALSE(
      load_safetensors((directory.path() / "out" / "model.safetensors").string()).contains("itm_score.fc.bias"));
  const LoadedModel converted = load(directory.path() / "out");
  CHECK(converted.config.heads == Heads::pretraining());
  CHECK(converted.config.layer_norm_eps == 1e-6);
  CHECK(converted.config.text_layer_norm_eps == 1e-12);
  CHECK(same_values(converted, original));
}

TEST_CASE("The authors' names in one file, and back") {
  const TemporaryDirectory directory;
  const LoadedModel original = load(kGolden / "vilt_pretrain");
  const fs::path file = directory.path() / "authors.safetensors";
  write_authors(original, file);
  LoadOptions options;
  options.needs_vocabulary = false;
  const LoadedModel back = load_model(file, options);  // the number of attention heads lies in the metadata
  CHECK(back.config.num_attention_heads == original.config.num_attention_heads);
  CHECK(back.config.layer_norm_eps == 1e-6);
  CHECK(same_values(back, original));
  CHECK(lacking(error_of([&] { write_authors(original, directory.path() / "authors"); }),
                {"authors: the authors' names are written into one file, NAME.safetensors"}) == "");
}

TEST_CASE("How texts are normalised goes with the vocabulary") {
  const TemporaryDirectory directory;
  LoadedModel model = load(kGolden / "vilt_vqa");
  std::vector<std::string> tokens(kSpecialTokens.begin(), kSpecialTokens.end());
  for (auto i = static_cast<int64_t>(tokens.size()); i < model.config.vocab_size; ++i) tokens.push_back(text("A", i));
  const Normalisation cased{.lower_case = false, .strip_accents = false};
  model.vocabulary = std::make_unique<Wordpiece>(tokens, "cased", cased);
  write_hugging_face(model, directory.path() / "out");
  const LoadedModel converted = load(directory.path() / "out");
  REQUIRE(converted.vocabulary);
  CHECK(converted.vocabulary->normalisation() == cased);
  CHECK(converted.vocabulary->encode("A7 a7").ids == std::vector<int64_t>{7, 1});
  fs::create_directories(directory.path() / "run");
  save_model_folder(directory.path() / "run", model.config, model.preprocessing, *model.vocabulary, *model.parameters);
  CHECK(Wordpiece::from_file(directory.path() / "run/vocab.txt").normalisation() == cased);
}

TEST_CASE("Nothing is overwritten unasked") {
  const TemporaryDirectory directory;
  const LoadedModel model = load(kGolden / "vilt_vqa");
  const fs::path out = directory.path() / "out";
  fs::create_directories(out);  // an empty folder may be filled
  write_hugging_face(model, out / "");
  CHECK(lacking(error_of([&] { write_hugging_face(model, out); }), {"out: exists already; --force replaces it"}) == "");
  directory.write("out/vocab.txt", "of another model");
  write_hugging_face(model, out, {DType::f32, true});
  CHECK_FALSE(fs::exists(out / "vocab.txt"));
  directory.write("out/optimizer.safetensors", "");
  CHECK(lacking(error_of([&] {
                  write_hugging_face(model, out, {DType::f32, true});
                }),
                {"out: is not replaced, since it holds optimizer.safetensors"}) == "");
  directory.write("photos/a.jpg", "");
  CHECK(lacking(error_of([&] {
                  write_hugging_face(model, directory.path() / "photos", {DType::f32, true});
                }),
                {"photos: is not replaced, since it holds a.jpg"}) == "");
  CHECK(fs::exists(directory.path() / "photos" / "a.jpg"));
}

}  // namespace tessera::convert_test

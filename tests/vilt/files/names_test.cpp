#include "vilt/files/names.h"

#include <doctest/doctest.h>

#include "nn/init.h"
#include "tests/error_text.h"
#include "vilt/heads.h"

namespace tessera::names_test {
namespace {

using tests::error_of;
using tests::lacking;

ModelConfig small_config(Heads heads) {
  ModelConfig config;
  config.vocab_size = 11;
  config.hidden_size = 8;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.intermediate_size = 12;
  config.image_size = 8;
  config.patch_size = 4;
  config.max_position_embeddings = 6;
  config.heads = heads;
  config.labels = {"no", "yes", "maybe"};
  return config;
}

// All parameters of a model, random, under our files' names.
StateDict random_state(const ModelConfig& config) {
  ViltWithHeads model(config);
  model.visit("", [](const std::string& name, Variable& parameter) { init_normal_(parameter, name, 7, 1.0); });
  const ParameterSet parameters(model);
  StateDict out;
  for (const auto& [name, view] : file_views(parameters.state(), config)) out.emplace(name, view.clone());
  return out;
}

bool equal(const StateDict& a, const StateDict& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, tensor] : a) {
    const auto other = b.find(name);
    if (other == b.end() || !(other->second.shape() == tensor.shape())) return false;
    if (other->second.to_vector<float>() != tensor.to_vector<float>()) return false;
  }
  return true;
}

Tensor ones(const Shape& shape) { return Tensor::full(shape, 1.0); }

}  // namespace

TEST_CASE("The authors' names and back: nothing is lost, of any head") {
  for (const int64_t images : {1, 2}) {
    ModelConfig config = small_config({true, true, true, true, true});
    config.num_images = images;
    const StateDict ours = random_state(config);
    const StateDict theirs = authors_names(ours, config);
    CHECK(theirs.contains(images == 1 ? "vqa_classifier.0.weight" : "nlvr2_classifier.0.weight"));
    for (const char* name : {"transformer.blocks.1.attn.qkv.weight", "transformer.blocks.0.attn.proj.bias",
                             "transformer.blocks.0.norm2.weight", "transformer.blocks.1.mlp.fc1.weight",
                             "transformer.blocks.1.mlp.fc2.bias", "transformer.cls_token", "transformer.pos_embed",
                             "transformer.patch_embed.proj.weight", "transformer.norm.bias", "pooler.dense.weight",
                             "text_embeddings.word_embeddings.weight", "token_type_embeddings.weight", "mlm_score.bias",
                             "itm_score.fc.weight", "rank_output.weight", "mpp_score.decoder.weight"})
      CHECK_MESSAGE(theirs.contains(name), name);
    for (const auto& entry : theirs) {
      CHECK_FALSE(entry.first.starts_with("vilt."));
      CHECK(entry.first.find("query") == std::string::npos);
    }
    const NamedState back = our_names(theirs, "file");
    CHECK(back.naming == Naming::authors);
    CHECK(back.pair_classifier == (images == 2));
    CHECK(equal(back.tensors, ours));
  }
}

TEST_CASE("Fused rows are queries, keys and values, in this order") {
  StateDict file;
  file["transformer.blocks.0.attn.qkv.bias"] = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {6});
  const NamedState named = our_names(file, "file");
  const std::string stem = "vilt.encoder.layer.0.attention.attention.";
  CHECK(named.tensors.at(stem + "query.bias").to_vector<float>() == std::vector<float>{1, 2});
  CHECK(named.tensors.at(stem + "key.bias").to_vector<float>() == std::vector<float>{3, 4});
  CHECK(named.tensors.at(stem + "value.bias").to_vector<float>() == std::vector<float>{5, 6});
}

TEST_CASE("Queries, keys and values: fused or apart, under each naming") {
  const std::string stem = "vilt.encoder.layer.3.attention.attention.";
  for (const char* fused :
       {"transformer.blocks.3.attn.qkv.weight", "vilt.encoder.layer.3.attention.attention.qkv.weight",
        "vilt.encoder.layer.3.attention.qkv.weight", "encoder.layer.3.attention.attention.qkv.weight"}) {
    const NamedState named = our_names({{fused, ones({6, 2})}}, "file");
    CHECK(named.tensors.size() == 3);
    CHECK_MESSAGE((named.tensors.at(stem + "key.weight").shape() == Shape{2, 2}), fused);
  }
  for (const char* apart :
       {"transformer.blocks.3.attn.k.bias", "transformer.blocks.3.attn.key.bias",
        "vilt.encoder.layer.3.attention.attention.key.bias", "encoder.layer.3.attention.attention.key.bias"})
    CHECK_MESSAGE(our_names({{apart, ones({2})}}, "file").tensors.contains(stem + "key.bias"), apart);
}

TEST_CASE("Files of the bare ViltModel have no prefix") {
  const NamedState named = our_names({{"embeddings.cls_token", ones({1, 1, 2})},
                                      {"encoder.layer.0.output.dense.bias", ones({2})},
                                      {"layernorm.weight", ones({2})},
                                      {"pooler.dense.bias", ones({2})}},
                                     "file");
  CHECK(named.naming == Naming::hugging_face);
  for (const char* name : {"vilt.embeddings.cls_token", "vilt.encoder.layer.0.output.dense.bias",
                           "vilt.layernorm.weight", "vilt.pooler.dense.bias"})
    CHECK_MESSAGE(named.tensors.contains(name), name);
}

TEST_CASE("Hugging Face's names of today: the decoder's bias, no prefix for the bare model") {
  const ModelConfig config = small_config(Heads{.masked_words = true});
  const StateDict ours = random_state(config);
  const StateDict theirs = hugging_face_names(ours, "ViltForMaskedLM");
  CHECK(theirs.contains("mlm_score.decoder.bias"));
  CHECK_FALSE(theirs.contains("mlm_score.bias"));
  CHECK(equal(our_names(theirs, "file").tensors, ours));
  const StateDict bare = random_state(small_config(Heads{}));
  const StateDict named = hugging_face_names(bare, "ViltModel");
  CHECK(named.contains("embeddings.cls_token"));
  CHECK(equal(our_names(named, "file").tensors, bare));
}

TEST_CASE("Buffers are left out, by name") {
  const NamedState named =
      our_names({{"vilt.embeddings.text_embeddings.position_ids", Tensor::from<int64_t>({0, 1})}}, "file");
  CHECK(named.tensors.empty());
  REQUIRE(named.notes.size() == 1);
  CHECK(named.notes[0].find("vilt.embeddings.text_embeddings.position_ids") != std::string::npos);
}

TEST_CASE("The masked-word bias may have both its names, if they agree") {
  StateDict file{{"mlm_score.bias", ones({3})}, {"mlm_score.decoder.bias", ones({3})}};
  CHECK(our_names(file, "file").tensors.size() == 1);
  file["mlm_score.decoder.bias"] = Tensor::zeros({3});
  CHECK(lacking(error_of([&] { our_names(file, "file"); }),
                {"file: mlm_score.bias and mlm_score.decoder.bias both stand for mlm_score.bias"}) == "");
}

TEST_CASE("Names that contradict each other are errors") {
  const Tensor two = ones({2}), six = ones({6});
  CHECK(
      lacking(
          error_of([&] {
            our_names({{"transformer.blocks.0.attn.q.bias", two}, {"transformer.blocks.0.attn.qkv.bias", six}}, "file");
          }),
          {"file: ", "transformer.blocks.0.attn.q.bias", "transformer.blocks.0.attn.qkv.bias", " both stand for "}) ==
      "");
  CHECK(lacking(error_of([&] {
                  our_names({{"transformer.blocks.0.attn.qkv.bias", ones({4})}}, "file");
                }),
                {"file: transformer.blocks.0.attn.qkv.bias is [4], expected a multiple of 3 rows"}) == "");
  CHECK(lacking(error_of([&] {
                  our_names({{"transformer.blocks.0.attn.qkv.bias", ones({})}}, "file");
                }),
                {"expected a multiple of 3 rows"}) == "");
  CHECK(lacking(error_of([&] {
                  our_names({{"vqa_classifier.0.bias", two}, {"nlvr2_classifier.0.bias", two}}, "file");
                }),
                {"file: holds a classifier for questions and one for pairs"}) == "");
}

TEST_CASE("Names that nobody knows stay as they are") {
  const NamedState named = our_names({{"something.else", ones({2})}, {"transformer.blocks.0.new", ones({2})}}, "file");
  CHECK(named.tensors.contains("something.else"));
  CHECK(named.tensors.contains("transformer.blocks.0.new"));
  CHECK(our_names({{"something.else", ones({2})}}, "file").naming == Naming::other);
}

}  // namespace tessera::names_test

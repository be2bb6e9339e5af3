#include "vilt/files/state_dict.h"

#include <doctest/doctest.h>

#include <set>

#include "tests/error_text.h"
#include "tests/gradient_state.h"
#include "tests/vilt/tiny_model.h"

namespace tessera::state_dict_test {
namespace {

using tests::error_of;
using tests::lacking;
using tests::tiny_settings;
using tests::TinyModel;

// The state_dict of transformers 5.23's ViltForMaskedLM, written out for one layer, with the released model's matching
// head. d = hidden size, "3d" = intermediate size, ... are put in by the test.
const char* const kNames[] = {
    "vilt.embeddings.cls_token",
    "vilt.embeddings.position_embeddings",
    "vilt.embeddings.text_embeddings.word_embeddings.weight",
    "vilt.embeddings.text_embeddings.position_embeddings.weight",
    "vilt.embeddings.text_embeddings.token_type_embeddings.weight",
    "vilt.embeddings.text_embeddings.LayerNorm.weight",
    "vilt.embeddings.text_embeddings.LayerNorm.bias",
    "vilt.embeddings.patch_embeddings.projection.weight",
    "vilt.embeddings.patch_embeddings.projection.bias",
    "vilt.embeddings.token_type_embeddings.weight",
    "vilt.encoder.layer.0.attention.attention.query.weight",
    "vilt.encoder.layer.0.attention.attention.query.bias",
    "vilt.encoder.layer.0.attention.attention.key.weight",
    "vilt.encoder.layer.0.attention.attention.key.bias",
    "vilt.encoder.layer.0.attention.attention.value.weight",
    "vilt.encoder.layer.0.attention.attention.value.bias",
    "vilt.encoder.layer.0.attention.output.dense.weight",
    "vilt.encoder.layer.0.attention.output.dense.bias",
    "vilt.encoder.layer.0.intermediate.dense.weight",
    "vilt.encoder.layer.0.intermediate.dense.bias",
    "vilt.encoder.layer.0.output.dense.weight",
    "vilt.encoder.layer.0.output.dense.bias",
    "vilt.encoder.layer.0.layernorm_before.weight",
    "vilt.encoder.layer.0.layernorm_before.bias",
    "vilt.encoder.layer.0.layernorm_after.weight",
    "vilt.encoder.layer.0.layernorm_after.bias",
    "vilt.layernorm.weight",
    "vilt.layernorm.bias",
    "vilt.pooler.dense.weight",
    "vilt.pooler.dense.bias",
    "mlm_score.transform.dense.weight",
    "mlm_score.transform.dense.bias",
    "mlm_score.transform.LayerNorm.weight",
    "mlm_score.transform.LayerNorm.bias",
    "mlm_score.decoder.weight",
    "mlm_score.bias",
    "itm_score.fc.weight",
    "itm_score.fc.bias",
};

Settings one_layer() {
  Settings settings = tiny_settings();
  settings.model.num_hidden_layers = 1;
  return settings;
}

StateDict copies(const StateDict& state) {
  StateDict out;
  for (const auto& [name, tensor] : state) out.emplace(name, tensor.clone());
  return out;
}

}  // namespace

TEST_CASE("Files have Hugging Face's names and shapes") {
  const TinyModel tiny(one_layer(), DType::f32);
  const StateDict views = file_views(tiny.parameters->state(), one_layer().model);
  std::set<std::string> names;
  for (const auto& [name, view] : views) names.insert(name);
  CHECK(names == std::set<std::string>(std::begin(kNames), std::end(kNames)));
  CHECK(views.at("vilt.embeddings.cls_token").shape() == Shape{1, 1, 16});
  CHECK(views.at("vilt.embeddings.position_embeddings").shape() == Shape{1, 37, 16});
  CHECK(views.at("vilt.embeddings.text_embeddings.position_embeddings.weight").shape() == Shape{40, 16});
  CHECK(views.at("vilt.embeddings.patch_embeddings.projection.weight").shape() == Shape{16, 3, 16, 16});
  CHECK(views.at("vilt.encoder.layer.0.attention.attention.key.weight").shape() == Shape{16, 16});
  CHECK(views.at("vilt.encoder.layer.0.attention.attention.value.bias").shape() == Shape{16});
  CHECK(views.at("vilt.encoder.layer.0.intermediate.dense.weight").shape() == Shape{32, 16});
  Settings tied = one_layer();
  tied.model.tie_word_embeddings = true;
  const TinyModel shared(tied, DType::f32);
  CHECK_FALSE(file_views(shared.parameters->state(), tied.model).contains("mlm_score.decoder.weight"));
}

TEST_CASE("The views lie in the parameters: query, key and value in this order") {
  const TinyModel tiny(one_layer(), DType::f32);
  const StateDict views = file_views(tiny.parameters->state(), one_layer().model);
  const auto fused = tiny.parameters->at("vilt.encoder.layer.0.attention.qkv.weight").value().to_vector<float>();
  std::vector<float> joined;
  for (const char* part : {"query", "key", "value"}) {
    const auto values = views.at(text("vilt.encoder.layer.0.attention.attention.", part, ".weight")).to_vector<float>();
    joined.insert(joined.end(), values.begin(), values.end());
  }
  CHECK(joined == fused);
  Tensor key = views.at("vilt.encoder.layer.0.attention.attention.key.bias");
  key.fill_(7);
  CHECK(tiny.parameters->at("vilt.encoder.layer.0.attention.qkv.bias").value().to_vector<float>()[16] == 7);
  CHECK(tiny.parameters->at("vilt.encoder.layer.0.attention.qkv.bias").value().to_vector<float>()[32] != 7);
}

TEST_CASE("What is written reads back, bit for bit") {
  const TinyModel from(tiny_settings(), DType::f32, 1), to(tiny_settings(), DType::f32, 2);
  const StateDict file = copies(file_views(from.parameters->state(), tiny_settings().model));
  load_file_state(*to.parameters, tiny_settings().model, file, "a.safetensors");
  for (const ParameterSet::Slot& slot : from.parameters->slots())
    CHECK(to.parameters->at(slot.name).value().to_vector<float>() == slot.parameter.value().to_vector<float>());
}

TEST_CASE("Loading is strict: differences are listed, and nothing is loaded") {
  const TinyModel tiny(one_layer(), DType::f32), other(one_layer(), DType::f32, 2);
  StateDict file = copies(file_views(other.parameters->state(), one_layer().model));
  file.erase("vilt.layernorm.bias");
  file.erase("vilt.encoder.layer.0.attention.attention.key.weight");
  file["classifier.weight"] = Tensor::zeros({2});
  file["itm_score.fc.weight"] = Tensor::zeros({3, 16});
  file["vilt.pooler.dense.bias"] = Tensor::zeros({16}, DType::i64);
  const auto before = tiny.parameters->values().to_vector<float>();
  const std::string message =
      error_of([&] { load_file_state(*tiny.parameters, one_layer().model, file, "a.safetensors"); });
  CHECK(lacking(message,
                {"a.safetensors: the tensors are not those of the model; nothing was loaded", "vilt.layernorm.bias",
                 "vilt.encoder.layer.0.attention.attention.key.weight", "classifier.weight", "itm_score.fc.weight",
                 "[3, 16]", "[2, 16]", "vilt.pooler.dense.bias"}) == "");
  CHECK(tiny.parameters->values().to_vector<float>() == before);
}

TEST_CASE("Gradients by name; those that none has reached are zero") {
  const TinyModel tiny(one_layer(), DType::f64);
  const auto step = tests::Batches(one_layer()).step(0);
  ObjectiveOptions options;
  options.itm_weight = options.wpa_weight = 0;
  pretrain_objectives(tiny.model, step[0], options, count_divisors(step), ForwardContext{}).total.backward();
  const StateDict gradients = tests::gradient_state(*tiny.parameters);
  CHECK(gradients.size() == tiny.parameters->slots().size());
  CHECK(tests::largest(tests::values_of(gradients.at("itm_score.fc.weight"))) == 0);
  CHECK(tests::largest(tests::values_of(gradients.at("mlm_score.bias"))) > 0);
  CHECK(file_views(gradients, one_layer().model).at("vilt.embeddings.cls_token").shape() == Shape{1, 1, 16});
}

}  // namespace tessera::state_dict_test

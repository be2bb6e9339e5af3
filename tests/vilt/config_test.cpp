#include "vilt/config.h"

#include <doctest/doctest.h>

#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::config_test {
namespace {

using tests::error_of;
using tests::lacking;

std::string error_of_json(const std::string& json) {
  return error_of([&] { ModelConfig::from_json(json, "config.json"); });
}

}  // namespace

TEST_CASE("A configuration survives its JSON") {
  ModelConfig config;
  config.vocab_size = 90;
  config.hidden_size = 48;
  config.num_attention_heads = 3;
  config.num_hidden_layers = 2;
  config.intermediate_size = 100;
  config.image_size = 96;
  config.patch_size = 16;
  config.max_position_embeddings = 20;
  config.type_vocab_size = 3;
  config.modality_type_vocab_size = 3;
  config.hidden_dropout_prob = 0.25;
  config.layer_norm_eps = 1e-5;
  config.text_layer_norm_eps = 1e-7;
  config.mlm_layer_norm_eps = 1e-8;
  config.tie_word_embeddings = true;
  const std::string json = config.to_json();
  const ModelConfig read = ModelConfig::from_json(json, "config.json");
  CHECK(read.to_json() == json);
  CHECK(read.text_layer_norm_eps == 1e-7);
  CHECK(read.tie_word_embeddings);
  CHECK(read.head_size() == 16);
  CHECK(read.table_side() == 6);
  CHECK(read.patch_values() == 768);
  const tests::TemporaryDirectory directory;
  CHECK(ModelConfig::from_file(directory.write("config.json", json)).to_json() == json);
}

TEST_CASE(
    "Files of Hugging Face: unknown fields are ignored, one eps serves all LayerNorms, absent fields have the "
    "defaults") {
  const ModelConfig config = ModelConfig::from_json(
      R"({"model_type": "vilt", "qkv_bias": true, "num_images": -1, "hidden_size": 24, "num_attention_heads": 2,
          "layer_norm_eps": 1e-3, "patch_size": null, "architectures": ["ViltForMaskedLM"]})",
      "config.json");
  CHECK(config.hidden_size == 24);
  CHECK(config.patch_size == 32);
  CHECK(config.layer_norm_eps == 1e-3);
  CHECK(config.text_layer_norm_eps == 1e-3);
  CHECK(config.mlm_layer_norm_eps == 1e-3);
  const ModelConfig defaults = ModelConfig::from_json("{}", "config.json");
  CHECK(defaults.layer_norm_eps == 1e-12);
  CHECK(defaults.text_layer_norm_eps == 1e-12);
  CHECK(defaults.hidden_dropout_prob == 0);
  CHECK_FALSE(defaults.dropout_after_activation);
}

TEST_CASE("A classifier of pairs that is to see one image alone keeps that") {
  const ModelConfig config = ModelConfig::from_json(
      R"({"architectures": ["ViltForImagesAndTextClassification"], "num_images": 1})", "config.json");
  CHECK(config.num_images == 1);
  CHECK(ModelConfig::from_json(config.to_json(), "config.json").num_images == 1);
}

TEST_CASE("Wrong configurations are errors that name file and field") {
  CHECK(error_of_json("[1]") == "config.json: not a JSON object");
  CHECK(lacking(error_of_json("{\"hidden_size\": "), {"config.json: not valid JSON: parse error at line 1"}) == "");
  CHECK(error_of_json("{\"id2label\": " + std::string(100000, '[')) == "config.json: values nested deeper than 32");
  CHECK(error_of_json(R"({"hidden_size": 1.5})") ==
        "config.json: field 'hidden_size' has the value 1.5, expected a whole number below 2^63");
  CHECK(error_of_json(R"({"hidden_size": 32.0})") ==
        "config.json: field 'hidden_size' has the value 32.0, expected a whole number below 2^63");
  CHECK(error_of_json(R"({"hidden_size": 18446744073709551615})") ==
        "config.json: field 'hidden_size' has the value 18446744073709551615, expected a whole number below 2^63");
  CHECK(error_of_json(R"({"hidden_dropout_prob": "0"})") ==
        "config.json: field 'hidden_dropout_prob' has the value \"0\", expected a number");
  CHECK(error_of_json(R"({"tie_word_embeddings": 1})") ==
        "config.json: field 'tie_word_embeddings' has the value 1, expected true or false");
  for (const char* field : {"vocab_size", "hidden_size", "num_attention_heads", "intermediate_size", "image_size",
                            "patch_size", "type_vocab_size", "modality_type_vocab_size"})
    for (const char* value : {"0", "-3", "2147483648"})
      CHECK(error_of_json(text("{\"", field, "\": ", value, "}")).starts_with(text("config: ", field, " is ")));
  CHECK(error_of_json(R"({"patch_size": 8192, "image_size": 8192})") ==
        "config: patch_size is 8192, expected 1 to 4096");
  CHECK(error_of_json(R"({"num_hidden_layers": -1})") == "config: num_hidden_layers is -1, expected 0 to 10000");
  CHECK(error_of_json(R"({"num_hidden_layers": 1000000})") ==
        "config: num_hidden_layers is 1000000, expected 0 to 10000");
  CHECK(error_of_json(R"({"max_position_embeddings": 1})") ==
        "config: max_position_embeddings is 1, expected 2 to 1048576 ([CLS] and [SEP] count)");
  CHECK(error_of_json(R"({"hidden_size": 10, "num_attention_heads": 4})") ==
        "config: hidden_size 10 is not a multiple of 4 attention heads");
  CHECK(error_of_json(R"({"image_size": 16})") == "config: image_size 16 is smaller than patch_size 32");
  CHECK(error_of_json(R"({"hidden_dropout_prob": 1})") ==
        "config: hidden_dropout_prob is 1, expected at least 0 and less than 1");
  CHECK(error_of_json(R"({"attention_probs_dropout_prob": -0.5})") ==
        "config: attention_probs_dropout_prob is -0.5, expected at least 0 and less than 1");
  CHECK(error_of_json(R"({"attention_probs_dropout_prob": true})") ==
        "config.json: field 'attention_probs_dropout_prob' has the value true, expected a number");
  CHECK(error_of_json(R"({"layer_norm_eps": 0})") ==
        "config: layer_norm_eps is 0, expected more than 0 and less than 1");
  CHECK(error_of_json(R"({"text_layer_norm_eps": -1})") ==
        "config: text_layer_norm_eps is -1, expected more than 0 and less than 1");
  CHECK_THROWS_WITH(ModelConfig::from_file("/nowhere/config.json"),
                    "cannot open /nowhere/config.json: No such file or directory");
}

}  // namespace tessera::config_test

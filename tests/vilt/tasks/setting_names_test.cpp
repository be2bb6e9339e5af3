#include "train/settings/setting_names.h"

#include <doctest/doctest.h>

#include "tests/error_text.h"
#include "vilt/tasks/settings.h"

namespace tessera::setting_names_test {
namespace {

// What the error on a setting suggests.
std::string meant(const std::string& key) {
  const std::string error = tests::error_of([&] { Settings().set(key + "=1"); }), before = "did you mean '";
  const size_t begin = error.find(before);
  if (begin == std::string::npos) return error;
  return error.substr(begin + before.size(), error.find("'?") - begin - before.size());
}

}  // namespace

TEST_CASE("Names of other programs are taken for what they mean, in whatever section and spelling") {
  for (const char* key : {"lr", "optimizer.lr", "train.lr", "LR", "base_lr", "max-lr", "train.learning_rate",
                          "learningRate", "optim.learning-rate"})
    CHECK(meant(key) == "optimizer.learning_rate");
  for (const char* key : {"batch", "bs", "data.batch_size", "train.batchSize", "per_device_train_batch_size"})
    CHECK(meant(key) == "train.batch_size");
  for (const char* key : {"steps", "max_steps", "optimizer.steps", "iters"}) CHECK(meant(key) == "train.steps");
  for (const char* key : {"epochs", "optimizer.epochs", "num_train_epochs"}) CHECK(meant(key) == "train.epochs");
  for (const char* key : {"warmup_steps", "train.warmup", "warmup_ratio", "optimizer.num_warmup_steps"})
    CHECK(meant(key) == "optimizer.warmup");
  const char* pairs[][2] = {{"wd", "optimizer.weight_decay"},
                            {"train.weight_decay", "optimizer.weight_decay"},
                            {"seed", "train.seed"},
                            {"data.seed", "train.seed"},
                            {"random_seed", "train.seed"},
                            {"dropout", "model.hidden_dropout_prob"},
                            {"model.heads", "model.num_attention_heads"},
                            {"model.layers", "model.num_hidden_layers"},
                            {"d_model", "model.hidden_size"},
                            {"max_grad_norm", "optimizer.clip"},
                            {"gradient_accumulation_steps", "train.accumulate"},
                            {"num_workers", "data.workers"},
                            {"output_dir", "train.out"},
                            {"fp16", "train.precision"},
                            {"train.gpu", "train.device"},
                            {"save_steps", "train.checkpoint_every"},
                            {"eval_steps", "train.evaluate_every"},
                            {"gradient_checkpointing", "train.checkpoint_blocks"},
                            {"max_length", "model.max_position_embeddings"}};
  for (const auto& [key, setting] : pairs) CHECK(meant(key) == setting);
}

TEST_CASE("Of names that only the section tells apart the nearest is meant, of mistyped ones too") {
  CHECK(meant("img.std") == "image.std");
  CHECK(meant("inits.std") == "init.std");
  CHECK(meant("trian.steps") == "train.steps");
  CHECK(meant("optimizer.lerning_rate") == "optimizer.learning_rate");
  CHECK(meant("stepz") == "train.steps");
  CHECK(meant(".") != "");
  CHECK(meant(std::string(1000, 'x')) != "");
}

TEST_CASE("What is measured otherwise here is told") {
  CHECK(tests::lacking(tests::error_of([] { Settings().set("warmup_steps=100"); }), {"a share of the steps, 0 to 1"}) ==
        "");
  CHECK(tests::lacking(tests::error_of([] { Settings().set("num_epochs=3"); }), {"train.batch_size"}) == "");
}

TEST_CASE("Every suggestion is a setting") {
  // A name that is none would be answered by another suggestion.
  for (const char* key : {"annotation",  "caption",       "img_folder",
                          "vocab",       "cache",         "prefetch_factor",
                          "val_split",   "img_size",      "randaug",
                          "exif",        "max_image_len", "mlp",
                          "patch",       "tied",          "init_std",
                          "mlm",         "itm",           "ot",
                          "mpp",         "mask_prob",     "whole_word_masking",
                          "min_lr",      "lr_mult",       "betas",
                          "adam_beta2",  "epsilon",       "lr_power",
                          "optim",       "log_freq",      "val_samples",
                          "num_threads", "run_name"}) {
    INFO(key);
    CHECK(tests::error_of([&] { Settings().set(meant(key) + "=x"); }).find("unknown setting") == std::string::npos);
  }
}

}  // namespace tessera::setting_names_test

#include "vilt/tasks/optimizer_settings.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "io/files.h"
#include "nn/parameter.h"
#include "tests/vilt/tiny_model.h"

namespace tessera::optimizer_settings_test {
namespace {

using nlohmann::json;

// Of ViLT's published fine-tuning (finetune/README.md): [weight decay, factor of the learning rate] of each parameter.
json published(const std::string& task) {
  return json::parse(read_file(std::string(TESSERA_SOURCE_DIR "/tests/vilt/tasks/finetune/") + task + ".json"));
}

ModelConfig config_of(const std::string& task) {
  ModelConfig config = tests::tiny_settings().model;
  config.heads = {.classifier = task != "retrieval", .rank = task == "retrieval"};
  config.num_images = task == "nlvr2" ? 2 : 1;
  if (config.heads.classifier) config.labels = {"a", "b", "c"};
  return config;
}

// Hugging Face's names of what one parameter here holds.
std::vector<std::string> names_of(const std::string& name) {
  const std::string fused = ".attention.qkv.";
  const size_t at = name.find(fused);
  if (at == std::string::npos) return {name};
  std::vector<std::string> out;
  for (const char* part : {"query", "key", "value"})
    out.push_back(name.substr(0, at) + ".attention.attention." + part + "." + name.substr(at + fused.size()));
  return out;
}

OptimizerSettings settings_of(const json& expected) {
  OptimizerSettings settings;
  settings.head_factor = expected["lr_mult"];
  settings.warmup = expected["warmup"];
  return settings;
}

}  // namespace

TEST_CASE("Decay and rate of every parameter are those of the published fine-tuning") {
  for (const std::string task : {"vqa", "nlvr2", "retrieval"}) {
    CAPTURE(task);
    const json expected = published(task);
    const OptimizerSettings settings = settings_of(expected);
    ViltWithHeads model(config_of(task));
    const ParameterSet parameters(model);
    std::set<std::string> seen;
    for (const auto& slot : parameters.slots()) {
      const ParameterGroup group = parameter_group(settings, slot.name, slot.parameter);
      for (const std::string& name : names_of(slot.name)) {
        CAPTURE(name);
        seen.insert(name);
        REQUIRE(expected["params"].contains(name));
        CHECK(group.decay == (expected["params"][name][0] == expected["weight_decay"]));
        CHECK(group.learning_rate_multiplier == expected["params"][name][1]);
      }
    }
    CHECK(seen.size() == expected["params"].size());
  }
}

TEST_CASE("Variant torch decays no vector, and the head for retrieval has the body's rate") {
  OptimizerSettings settings;
  settings.variant = "torch";
  settings.head_factor = 7;
  ViltWithHeads model(config_of("vqa")), ranking(config_of("retrieval"));
  const ParameterSet classifying(model), retrieving(ranking);
  for (const auto& slot : classifying.slots()) {
    const ParameterGroup group = parameter_group(settings, slot.name, slot.parameter);
    CHECK(group.decay == (slot.parameter.shape().dim() > 1));
    CHECK(group.learning_rate_multiplier == (slot.name.starts_with("classifier.") ? 7 : 1));
  }
  for (const auto& slot : retrieving.slots())
    CHECK(parameter_group(settings, slot.name, slot.parameter).learning_rate_multiplier == 1);
}

TEST_CASE("Steps of warm-up are cut off, not rounded") {
  for (const std::string task : {"vqa", "nlvr2", "retrieval"}) {
    CAPTURE(task);
    const json expected = published(task);
    CHECK(schedule_of(settings_of(expected), expected["max_steps"]).warmup == expected["warmup_steps"]);
  }
  OptimizerSettings settings;
  settings.warmup = 0.29;
  CHECK(schedule_of(settings, 100).warmup == 28);  // 0.29 · 100 is 28.999999999999996, which Python's int() cuts, too
}

}  // namespace tessera::optimizer_settings_test

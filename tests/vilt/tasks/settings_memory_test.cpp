#include "vilt/tasks/settings_memory.h"

#include <sys/resource.h>

#include <doctest/doctest.h>

#include "tests/error_text.h"
#include "vilt/heads.h"
#include "vilt/tasks/memory.h"
#include "vilt/tasks/pretraining.h"

namespace tessera::settings_memory_test {
namespace {

const std::string kNone = "no error";
constexpr double kGiB = 1 << 30;

std::string error_with(const std::vector<std::string>& assignments, double limit = 16 * kGiB) {
  Settings settings;
  for (const std::string& assignment : assignments) settings.set(assignment);
  return tests::error_of([&] { check_memory(settings, limit); });
}

}  // namespace

TEST_CASE("What cannot fit is refused, with the setting that most of it hangs on") {
  CHECK(error_with({}) == kNone);
  CHECK(tests::lacking(error_with({"train.batch_size=1000000", "data.prefetch=1"}),
                       {"settings: training takes at least ", "16 GiB are there", "what backward needs of the blocks",
                        "train.batch_size (1000000), raise train.accumulate (1)", "train.checkpoint_blocks"}) == "");
  CHECK(tests::lacking(error_with({"train.batch_size=1000", "data.prefetch=10000", "train.accumulate=1000"}),
                       {"the steps that are made ahead", "data.prefetch (10000)"}) == "");
  CHECK(tests::lacking(error_with({"model.hidden_size=60000"}),
                       {"model.hidden_size (60000)", "model.num_hidden_layers (12)"}) == "");
  CHECK(tests::lacking(error_with({"model.num_hidden_layers=10000", "train.batch_size=1"}),
                       {"model.num_hidden_layers (10000)"}) == "");
  CHECK(tests::lacking(error_with({"model.intermediate_size=1000000"}), {"model.intermediate_size (1000000)"}) == "");
  CHECK(tests::lacking(error_with({"model.max_position_embeddings=1048576", "train.batch_size=1"}, 4 * kGiB),
                       {"model.max_position_embeddings (1048576)"}) == "");
  CHECK(tests::lacking(error_with({"model.image_size=1048576"}), {"model.image_size (1048576)"}) == "");
  CHECK(error_with({"train.batch_size=1", "data.prefetch=10000", "train.steps=1"}) == kNone);
  // The activations are the GPU's.
  CHECK(error_with({"train.batch_size=4096", "data.prefetch=1"}) != kNone);
  CHECK(error_with({"train.batch_size=4096", "data.prefetch=1", "train.device=cuda"}) == kNone);
}

TEST_CASE("Nothing is refused that fits") {
  for (const bool checkpoint_blocks : {false, true}) {
    Settings settings;
    settings.model.hidden_size = settings.model.intermediate_size = 64;
    settings.model.num_hidden_layers = 3;
    settings.model.num_attention_heads = 4;
    settings.model.vocab_size = 7;
    settings.train.batch_size = 12;
    settings.train.accumulate = 2;
    settings.train.checkpoint_blocks = checkpoint_blocks;
    settings.data.prefetch = 3;
    ViltWithHeads model(model_config(settings));
    const StepShape shape = full_shape(6, 3, {12, 12}, 0.15);  // the least pictures and captions
    const StepMemory step = step_memory(model, shape, {.checkpoint_blocks = checkpoint_blocks});
    const auto bytes = static_cast<double>(step.peak() + (2 * 4 - 1) * step.batch);
    CHECK(tests::error_of([&] { check_memory(settings, bytes); }) == kNone);
    // It is a bound from below, and not an idle one.
    CHECK(tests::error_of([&] { check_memory(settings, bytes / 4); }) != kNone);
    CHECK(tests::error_of([&] { check_model_memory(settings.model, static_cast<double>(step.parameters)); }) == kNone);
    CHECK(tests::error_of([&] { check_model_memory(settings.model, static_cast<double>(step.parameters) / 4); }) !=
          kNone);
  }
}

TEST_CASE("A limit on the process counts, and what the machine has not is refused") {
  struct rlimit before {};
  REQUIRE(getrlimit(RLIMIT_DATA, &before) == 0);
  const double machine = memory_limit();
  CHECK(machine > 1e8);
  CHECK(machine < 1e15);
  refuse_memory_that_is_not_there();
  struct rlimit after {};
  REQUIRE(getrlimit(RLIMIT_DATA, &after) == 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CHECK(static_cast<double>(after.rlim_cur) <= machine);
  CHECK(memory_limit() == static_cast<double>(after.rlim_cur));
#endif
  CHECK(setrlimit(RLIMIT_DATA, &before) == 0);
}

}  // namespace tessera::settings_memory_test

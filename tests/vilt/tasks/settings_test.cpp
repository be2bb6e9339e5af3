#include "vilt/tasks/settings.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::settings_test {
namespace {

using tests::error_of;
using tests::lacking;

const std::string kLeast = "[data]\ncaptions = \"a.json\"\nimages = \"images\"\n";

Settings read(const std::string& toml, const std::vector<std::string>& overrides = {}) {
  const tests::TemporaryDirectory directory;
  return Settings::from_toml(directory.write("a.toml", toml), overrides);
}

std::string error_of_toml(const std::string& toml) {
  return error_of([&] { read(toml); });
}

// The error of the least settings with one changed.
std::string error_with(const std::string& assignment) {
  return error_of([&] { read(kLeast, {"data.annotations=x.jsonl", assignment}); });
}

}  // namespace

TEST_CASE("Without more than the data the settings are the published ones") {
  const Settings settings = read(kLeast);
  CHECK(settings.data.captions == "a.json");
  CHECK(settings.model.hidden_size == 768);
  CHECK(settings.init.linear == "normal");
  CHECK(settings.init.std == 0.02);
  CHECK(settings.image.mean == 0.5);
  CHECK(settings.image.augment == "none");
  CHECK_FALSE(settings.image.respect_orientation);
  CHECK(settings.objectives.masking == "official");
  CHECK(settings.objectives.mask_rate == 0.15);
  CHECK(settings.objectives.wpa_weight == 0.1);
  CHECK(settings.objectives.sibling_negatives == 0);
  CHECK(settings.optimizer.variant == "transformers");
  CHECK(settings.optimizer.warmup == 0.1);
  CHECK(settings.optimizer.beta2 == 0.98);
}

TEST_CASE("The TOML that is written reads back to the same settings") {
  Settings settings = read(kLeast);
  settings.data.annotations = "with \"quotes\" and \\ and ü.jsonl";
  settings.train.title = "Line\nbreak";
  settings.train.seed = -5;
  settings.optimizer.learning_rate = 1.0 / 3;
  settings.optimizer.clip = 1;  // a number that looks whole
  settings.data.cache_bytes = int64_t{1} << 40;
  settings.model.tie_word_embeddings = true;
  const std::string toml = settings.to_toml();
  const Settings again = read(toml);
  CHECK(again.to_toml() == toml);
  CHECK(again.data.annotations == settings.data.annotations);
  CHECK(again.train.title == "Line\nbreak");
  CHECK(again.optimizer.learning_rate == 1.0 / 3);
  CHECK(again.data.cache_bytes == int64_t{1} << 40);
  CHECK(again.model.tie_word_embeddings);
  CHECK(again.train.seed == -5);
}

TEST_CASE("Settings are listed by their keys, with values as TOML has them") {
  Settings settings;
  settings.data.captions = "a \"b\".json";
  settings.optimizer.learning_rate = 3e-5;
  const auto listed = settings.listed();
  const auto value = [&](const std::string& key) {
    const auto found = std::find_if(listed.begin(), listed.end(), [&](const auto& one) { return one.first == key; });
    return found == listed.end() ? "" : found->second;
  };
  CHECK(value("data.captions") == "'a \"b\".json'");
  CHECK(value("optimizer.learning_rate") == "3e-05");
  CHECK(value("train.tensorboard") == "true");
  CHECK(value("train.steps") == "100000");
  CHECK(value("data.sets") == "[]");
}

TEST_CASE("Overrides change single settings, in order; a whole number may stand for any number") {
  const Settings settings =
      read(kLeast + "[train]\nsteps = 7\n",
           {"train.steps=1_000", "optimizer.clip=1", "train.title=Two words = one title",
            "model.tie_word_embeddings=true", "train.steps=12", "objectives.mask_rate=5e-1", "train.out=runs/x"});
  CHECK(settings.train.steps == 12);
  CHECK(settings.optimizer.clip == 1.0);
  CHECK(settings.train.title == "Two words = one title");
  CHECK(settings.model.tie_word_embeddings);
  CHECK(settings.objectives.mask_rate == 0.5);
  CHECK(settings.train.out == "runs/x");
}

TEST_CASE("Blanks around keys and values of overrides are no part of them") {
  const Settings settings =
      read(kLeast, {"train.steps = 12", " train.seed\t=\t5 ", "train.out = runs/x", "train.title =a b "});
  CHECK(settings.train.steps == 12);
  CHECK(settings.train.seed == 5);
  CHECK(settings.train.out == "runs/x");
  CHECK(settings.train.title == "a b");
  CHECK(error_with(" = 3") == "setting ' = 3': expected section.key=value");
}

TEST_CASE("Whole numbers beyond 64 bits are too large; where any number may stand they are numbers") {
  const char* range = "expected a whole number from -9223372036854775808 to 9223372036854775807";
  CHECK(error_with("train.steps=99999999999999999999") ==
        text("setting 'train.steps' is 99999999999999999999, which is too large: ", range));
  CHECK(error_with("train.seed=-9223372036854775809") ==
        text("setting 'train.seed' is -9223372036854775809, which is too large: ", range));
  CHECK(read(kLeast, {"train.seed=-9223372036854775808"}).train.seed == INT64_MIN);
  CHECK(lacking(error_of_toml(kLeast + "[train]\nsteps = 99999999999999999999\n"),
                {"a.toml: line 5: ", "99999999999999999999", "too large: ", range}) == "");
  CHECK(read(kLeast, {"optimizer.clip=99999999999999999999"}).optimizer.clip == 1e20);
}

TEST_CASE("A key that does not exist is an error with the nearest one") {
  CHECK(lacking(error_of_toml(kLeast + "[train]\nstep = 7\n"),
                {"a.toml: unknown setting 'train.step'; did you mean 'train.steps'?"}) == "");
  CHECK(lacking(error_of_toml(kLeast + "[trian]\nsteps = 7\n"),
                {"unknown setting 'trian.steps'; did you mean 'train.steps'?"}) == "");
  CHECK(lacking(error_of_toml("learning_rat = 1\n" + kLeast),
                {"unknown setting 'learning_rat'; did you mean 'optimizer.learning_rate'?"}) == "");
  CHECK(lacking(error_of_toml(std::string(100000, 'x') + " = 1\n"),
                {"unknown setting 'xxx", "xxx...'; did you mean '"}) == "");
  CHECK(Settings::from_text(kLeast + "# " + std::string(200, '.') + "\n", "a.toml").data.captions != "");
  std::string deep = "\n";
  for (int i = 0; i < 100000; ++i) deep += "a.";
  CHECK(lacking(error_of_toml(deep + "a = 1\n"), {"a.toml: line 2: more than 100 dots"}) == "");
  CHECK(lacking(error_of_toml(kLeast + "[train.steps]\nx = 7\n"), {"unknown setting 'train.steps.x'"}) == "");
  CHECK(error_with("optimizer.lerning_rate=1") ==
        "unknown setting 'optimizer.lerning_rate'; did you mean "
        "'optimizer.learning_rate'?");
  CHECK(error_with("steps") == "setting 'steps': expected section.key=value");
  CHECK(error_with("=3") == "setting '=3': expected section.key=value");
}

TEST_CASE("Wrong types name the setting, what was given and what is expected") {
  CHECK(lacking(error_of_toml(kLeast + "[train]\nsteps = 7.5\n"),
                {"a.toml: setting 'train.steps' is 7.5, expected a whole number"}) == "");
  CHECK(lacking(error_of_toml(kLeast + "[train]\nsteps = \"7\"\n"),
                {"'train.steps' is '7', expected a whole number"}) == "");
  CHECK(lacking(error_of_toml(kLeast + "[optimizer]\nclip = true\n"),
                {"'optimizer.clip' is true, expected a number"}) == "");
  CHECK(lacking(error_of_toml(kLeast + "[optimizer]\nclip = nan\n"), {"'optimizer.clip' is nan, expected a number"}) ==
        "");
  CHECK(lacking(error_of_toml(kLeast + "[optimizer]\nclip = inf\n"), {"'optimizer.clip' is inf, expected a number"}) ==
        "");
  CHECK(lacking(error_of_toml(kLeast + "[train]\nout = 3\n"), {"'train.out' is 3, expected a string in quotes"}) == "");
  CHECK(lacking(error_of_toml(kLeast + "[model]\ntie_word_embeddings = 1\n"),
                {"'model.tie_word_embeddings' is 1, expected true or false"}) == "");
  CHECK(lacking(error_of_toml(kLeast + "[train]\nsteps = [7]\n"), {"'train.steps' is", "expected a whole number"}) ==
        "");
  CHECK(lacking(error_with("train.steps=many"), {"setting 'train.steps' is 'many', expected a whole number"}) == "");
  CHECK(error_with("optimizer.learning_rate=nan") == "setting 'optimizer.learning_rate' is nan, expected a number");
  CHECK(lacking(error_with("train.steps="), {"setting 'train.steps' is '', expected a whole number"}) == "");
}

TEST_CASE("TOML that is none is an error with its line; so is a file that is not there") {
  CHECK(lacking(error_of_toml(kLeast + "[train\nsteps = 7\n"), {"a.toml: line 4: "}) == "");
  CHECK(lacking(error_of_toml(kLeast + "images = \"twice\"\n"), {"a.toml: line 4: ", "images"}) == "");
  CHECK_THROWS_WITH(Settings::from_toml("/nowhere/a.toml"), "cannot open /nowhere/a.toml: No such file or directory");
}

TEST_CASE("Values that cannot be are errors before anything is done") {
  const auto setting = [](const char* key, const char* value, const char* expected) {
    CHECK(error_with(text(key, "=", value)) == text("setting '", key, "' is ", value, ", expected ", expected));
  };
  const auto word = [](const char* key, const char* list) {
    CHECK(error_with(text(key, "=other")) == text("setting '", key, "' is 'other', expected one of: ", list));
  };
  word("image.resize", "shorter, none");
  word("image.augment", "none, randaugment");
  word("init.linear", "normal, truncated_normal, fan_in");
  word("init.positions", "normal, cosine");
  word("objectives.masking", "official, strict");
  word("objectives.false_images", "dataset, batch");
  word("optimizer.variant", "transformers, torch");
  for (const char* key : {"train.steps", "train.log_every"}) setting(key, "0", "at least 1");
  for (const char* key : {"train.batch_size", "train.accumulate", "objectives.ipot_iterations"})
    for (const char* value : {"0", "-4", "1000001", "1000000000"}) setting(key, value, "1 to 1000000");
  for (const char* value : {"0", "10001", "1000000000"}) setting("data.prefetch", value, "1 to 10000");
  for (const char* key :
       {"data.cache_bytes", "data.max_bad_files", "image.max_patches", "train.evaluate_every", "train.checkpoint_every",
        "train.evaluate_samples", "init.std", "objectives.mlm_weight", "objectives.itm_weight", "objectives.wpa_weight",
        "objectives.mpp_weight", "optimizer.learning_rate", "optimizer.end_learning_rate", "optimizer.weight_decay",
        "optimizer.clip", "optimizer.head_factor", "optimizer.patch_projection_factor"})
    setting(key, "-1", "at least 0");
  for (const char* key : {"image.std", "objectives.ipot_beta", "optimizer.eps", "optimizer.power"})
    setting(key, "0", "more than 0");
  for (const char* value : {"0", "-1", "1.5"}) setting("objectives.mask_rate", value, "more than 0 and at most 1");
  for (const char* key : {"objectives.patch_mask_rate", "objectives.patch_replace_rate", "objectives.content_first",
                          "objectives.sibling_negatives", "optimizer.warmup", "train.curriculum"})
    setting(key, "1.5", "0 to 1");
  for (const char* key : {"optimizer.beta1", "optimizer.beta2"}) setting(key, "1", "at least 0 and less than 1");
  for (const char* value : {"31", "16385"}) setting("image.shorter", value, "32 to 16384");
  for (const char* value : {"0", "257"}) setting("data.workers", value, "1 to 256");
  for (const char* value : {"-1", "1025"}) setting("train.threads", value, "0 to 1024");
  CHECK(error_with("data.captions=") == "setting 'data.captions' is empty, expected a captions file (docs/data.md)");
  CHECK(error_with("data.images=") == "setting 'data.images' is empty, expected the folder of the images");
  CHECK(error_with("train.out=") == "setting 'train.out' is empty, expected a folder");
  CHECK(error_with("train.accumulate=3") ==
        "setting 'train.batch_size' is 32, expected a multiple of 'train.accumulate' (3)");
  CHECK(error_with("train.curriculum=0.5") == "setting 'train.curriculum' needs 'train.curriculum_group'");
  CHECK(error_with("model.num_attention_heads=7") == "config: hidden_size 768 is not a multiple of 7 attention heads");
  for (const char* key : {"objectives.content_first", "objectives.sibling_negatives", "train.curriculum"})
    CHECK(error_of([&] { read(kLeast, {text(key, "=0.5")}); }) == text("setting '", key, "' needs 'data.annotations'"));
  CHECK(error_of([&] {
          read(kLeast, {"data.unseen_group=unseen", "data.unseen_split=test"});
        }) == "setting 'data.unseen_group' needs 'data.annotations'");
  CHECK(error_of([&] {
          read(kLeast, {"objectives.mpp_weight=1", "objectives.patch_mask_rate=0"});
        }) == "setting 'objectives.patch_mask_rate' is 0, but 'objectives.mpp_weight' asks for masked patches");
  CHECK_NOTHROW(read(kLeast, {"objectives.mlm_weight=0", "objectives.itm_weight=0", "objectives.wpa_weight=0",
                              "objectives.mpp_weight=1"}));
  CHECK(error_of([&] {
          read(kLeast, {"objectives.mlm_weight=0", "objectives.itm_weight=0", "objectives.wpa_weight=0"});
        }) == "settings: every objective has weight 0; nothing would be trained");
}

TEST_CASE("The recipes of the project are valid") {
  for (const char* name : {"scenes", "scenes-quick"})
    CHECK_NOTHROW(Settings::from_toml(text(TESSERA_SOURCE_DIR, "/configs/", name, ".toml")));
}

TEST_CASE("Settings: data.sets is a list of tables, in a file and on the command line, and written as it was read") {
  const std::string toml = R"(
[[data.sets]]
captions = "gcc/Train_GCC-training.tsv"
images = "gcc"
weight = 2
[[data.sets]]
captions = "a \"quoted\" name.csv"
images = "pictures"
kind = "table"
annotations = "notes.jsonl"
weight = 0.1
)";
  const Settings settings = Settings::from_text(toml, "s.toml");
  REQUIRE(settings.data.sets.size() == 2);
  CHECK(settings.data.sets[0].kind == "auto");
  CHECK(settings.data.sets[0].weight == 2);
  CHECK(settings.data.sets[1].captions == "a \"quoted\" name.csv");
  CHECK(settings.data.sets[1].annotations == "notes.jsonl");
  CHECK(Settings::from_text(settings.to_toml(), "t.toml").data.sets == settings.data.sets);
  CHECK(Settings().to_toml().find("[data]\nsets = []\n") != std::string::npos);
  Settings set;
  set.set("data.sets=[{captions = \"a\", images = \"b\"}]");
  CHECK(set.data.sets.size() == 1);

  const auto refused = [](const std::string& sets, const std::string& words) {
    CAPTURE(sets);
    try {
      Settings::from_text("[data]\nsets = " + sets, "s.toml");
      FAIL_CHECK("no error");
    } catch (const Error& error) {
      INFO(error.what());
      CHECK(std::string(error.what()).find(words) != std::string::npos);
    }
  };
  refused("3", "setting 'data.sets' is no list of tables");
  refused("[1]", "setting 'data.sets' is no list of tables");
  refused("[{captions = \"a\"}]", "setting 'data.sets[0]' has no images");
  refused("[{captions = \"a\", images = \"b\", size = 2}]", "unknown setting 'data.sets[0].size', expected captions");
  refused("[{captions = \"a\", images = \"b\", weight = \"2\"}]", "setting 'data.sets[0].weight' is ");
  refused("[{captions = \"a\", images = \"b\", weight = -1}]",
          "setting 'data.sets[0].weight' is -1, expected 0 or more");
  refused("[{captions = \"a\", images = \"b\"}, {captions = \"a\", images = \"b\", weight = 1}]",
          "setting 'data.sets[1].weight' is 1: either every set has a weight or none");
  refused("[{captions = \"a\", images = \"b\"}]\ncaptions = \"c\"", "'data.sets' and 'data.captions' are both there");
}

}  // namespace tessera::settings_test

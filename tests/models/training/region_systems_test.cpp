// UNITER and ViLBERT from settings to summary, on regions from files.
#include "models/training/region_systems.h"

#include <doctest/doctest.h>

#include <sstream>

#include "data/regions/region_writer.h"
#include "models/training/systems.h"
#include "models/uniter/files.h"
#include "models/uniter/system.h"
#include "models/vilbert/files.h"
#include "models/vilbert/system.h"
#include "tests/error_text.h"
#include "tests/models/scene_regions.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_scenes.h"

namespace tessera::region_systems_test {
namespace {

using tests::error_of;
using tests::lacking;
using tests::TemporaryDirectory;
using tests::tiny_scenes;
namespace fs = std::filesystem;

// The regions of all splits as files in `folder`, but of the pictures of `without`.
void write_regions(const fs::path& folder, const std::string& without = "") {
  fs::create_directories(folder);
  RegionClasses classes{"background"};
  for (int64_t i = 1; i < tests::kSceneClasses; ++i) classes.push_back(text("class ", i));
  for (const char* split : {"train", "val", "test", "test_unseen"}) {
    if (split == without) continue;
    const Dataset dataset = tiny_scenes().open(split);
    const RegionLookup lookup = tests::scene_regions(dataset);
    RegionWriter writer(folder / text("regions-", split, ".safetensors"),
                        {.features = tests::kSceneChannels, .classes = classes, .detector = "annotations"});
    for (const DatasetImage& picture : dataset.images())
      writer.add(region_name(picture.path(), tiny_scenes().folder() / "images"), lookup(picture));
    writer.finish();
  }
}

// Settings of a recipe, on the tiny scenes and at their size.
std::vector<std::string> overrides(const fs::path& regions, const fs::path& out) {
  const fs::path data = tiny_scenes().folder();
  const auto path = [](const char* key, const fs::path& value) { return text(key, "=", value.string()); };
  return {path("data.captions", data / "dataset.json"),
          path("data.images", data / "images"),
          path("data.annotations", data / "annotations.jsonl"),
          path("data.vocabulary", data / "vocab.txt"),
          path("regions.files", regions),
          path("train.out", out),
          "regions.feature_scale=2",
          "model.hidden_size=16",
          "model.intermediate_size=20",
          "model.num_hidden_layers=2",
          "train.steps=8",
          "train.batch_size=8",
          "train.curriculum=0.25",
          "train.accumulate=2",
          "train.evaluate_every=4",
          "train.checkpoint_every=3",
          "train.tensorboard=false"};
}

fs::path recipe(const char* name) { return text(TESSERA_SOURCE_DIR, "/configs/", name, ".toml"); }

TaskSummary trained(const char* name, const std::vector<std::string>& settings, std::string* told = nullptr) {
  std::ostringstream log;
  TrainingOptions options;
  options.log = &log;
  const TaskSummary summary = train_system(recipe(name), settings, options);
  if (told) *told = log.str();
  return summary;
}

std::set<std::string> names(const NamedFigures& figures) {
  std::set<std::string> out;
  for (const auto& [name, value] : figures) out.insert(name);
  return out;
}

}  // namespace

TEST_CASE("region systems: a run of each recipe, whose checkpoint reads back") {
  const TemporaryDirectory directory;
  write_regions(directory.path() / "regions");
  for (const char* name : {"scenes-uniter", "scenes-vilbert"}) {
    CAPTURE(name);
    const fs::path out = directory.path() / name;
    std::string told;
    const TaskSummary summary = trained(name, overrides(directory.path() / "regions", out), &told);
    CHECK(lacking(told, {"regions of 16 features and 41 classes", "matching random"}) == "");
    CHECK(summary.steps == 8);
    for (const char* block : {"test", "test_unseen", "untrained"}) {
      const std::set<std::string> have = names(summary.figures.at(block));
      for (const char* figure : {"matching random", "matching sibling", "masked words", "text R@1", "image R@1"})
        CHECK_MESSAGE(have.contains(figure), figure);
    }
    const fs::path checkpoint = *newest_checkpoint(out);
    CHECK(is_uniter(checkpoint) == (std::string(name) == "scenes-uniter"));
    CHECK(is_vilbert(checkpoint) == (std::string(name) == "scenes-vilbert"));
    if (is_uniter(checkpoint)) CHECK(load_uniter_files(checkpoint).model->uniter.config.img_dim == 16);
    if (is_vilbert(checkpoint)) CHECK(load_vilbert_files(checkpoint).config.v_target_size == 41);
  }
}

TEST_CASE("region systems: pictures without regions in the files") {
  const TemporaryDirectory directory;
  write_regions(directory.path() / "regions", "val");
  const std::string error =
      error_of([&] { trained("scenes-uniter", overrides(directory.path() / "regions", directory.path() / "run")); });
  CHECK(lacking(error, {"val/"}) == "");
  const std::string none =
      error_of([&] { trained("scenes-uniter", overrides(directory.path() / "none", directory.path() / "other")); });
  CHECK(lacking(none, {"none: no such file or folder (setting 'regions.files')", "vilt regions extract"}) == "");
}

TEST_CASE("region systems: published defaults, the schedule of co-attention, and settings that cannot be") {
  const auto uniter = [](const std::string& source) {
    return UniterSystem::Settings::from_text(
        "[system]\nkind = \"uniter\"\n[data]\ncaptions = \"a\"\nimages = \"b\"\n" + source, "a.toml");
  };
  const std::string regions = "[regions]\nfiles = \"c\"\n";
  const UniterSystem::Settings plain = uniter(regions);
  CHECK(plain.optimizer.learning_rate == 5e-5);
  CHECK(plain.options.mix.shares == std::array<double, 5>{2, 2, 1, 0, 1});
  CHECK(plain.options.bert.hidden_size == 768);
  CHECK(lacking(UniterSystem::described(plain), {"mlm (33 %)", "itm (33 %)", "mrckl (17 %)", "0.1 · wra"}) == "");
  CHECK(lacking(error_of([&] { uniter(""); }), {"regions.files"}) == "");
  CHECK(lacking(error_of([&] { uniter(regions + "[objectives]\ncontent_first = 0.5\n"); }),
                {"objectives.content_first", "strict"}) == "");
  CHECK(lacking(error_of([&] { uniter(regions + "[model]\nmax_length = 600\n"); }), {"model.max_length' is 600"}) ==
        "");
  CHECK(lacking(error_of([&] { uniter(regions + "[objectives]\nmlm_share = -1.0\n"); }), {"mlm is -1"}) == "");
  CHECK(lacking(error_of([&] { uniter(regions + "[objectives]\nmlm_shares = 1.0\n"); }), {"mlm_share"}) == "");

  const auto vilbert = [&](const std::string& source) {
    return VilbertSystem::Settings::from_text(
        "[system]\nkind = \"vilbert\"\n[data]\ncaptions = \"a\"\nimages = \"b\"\n" + regions + source, "a.toml");
  };
  const VilbertConfig base = vilbert("").options.config();
  CHECK(base.v_biattention_id == VilbertConfig().v_biattention_id);
  CHECK(base.t_biattention_id == VilbertConfig().t_biattention_id);
  CHECK(lacking(error_of([&] { vilbert("[model]\nco_attention_layers = 7\n"); }), {"model.co_attention_layers"}) == "");
  CHECK(lacking(error_of([&] { vilbert("[train]\nprecision = \"bf16\"\n"); }), {"train.precision"}) == "");
  CHECK(lacking(error_of([&] { vilbert("[objectives]\nmatch_weight = 0.0\n"); }), {"objectives.match_weight"}) == "");
}

TEST_CASE("region systems: the projection of features has a rate of its own") {
  RegionSettings settings;
  settings.projection_factor = 0.5;
  const GroupFunction group = region_groups(settings, "img_embeddings.img_linear.weight");
  const Variable matrix = zero_parameter({2, 2}), vector = zero_parameter({2});
  CHECK(group("uniter.img_embeddings.img_linear.weight", matrix).learning_rate_multiplier == 0.5);
  CHECK(group("uniter.img_embeddings.img_linear.weight", matrix).decay);
  CHECK(group("uniter.img_embeddings.pos_linear.weight", matrix).learning_rate_multiplier == 1);
  CHECK(!group("uniter.pooler.dense.bias", vector).decay);
}

TEST_CASE("drawn values: places begin centred") {
  Linear projection(5, 2);
  projection.visit("p", drawing({.fan_in = true, .seed = 1}));
  centre_places(projection, kMiddleOfFive);
  std::vector<float> middle(kMiddleOfFive.begin(), kMiddleOfFive.end());
  // Five products of numbers of order one in f32.
  for (const float value : projection(Variable(Tensor::from(middle, {1, 5}))).value().to_vector<float>())
    CHECK(std::abs(value) < 1e-6);
  CHECK(lacking(error_of([&] { centre_places(projection, kMiddleOfSeven); }), {"a projection of 5 numbers"}) == "");
}

}  // namespace tessera::region_systems_test

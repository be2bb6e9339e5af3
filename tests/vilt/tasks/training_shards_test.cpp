// Pre-training on tar shards.
#include "train/sources/training_shards.h"

#include <set>

#include "data/shards/shard_index.h"
#include "data/shards/write_shards.h"
#include "distributed/communicator.h"
#include "tests/vilt/input/batch_equality.h"
#include "tests/vilt/tasks/short_run.h"
#include "train/sources/training_data.h"

namespace tessera::training_shards_test {
namespace {

using namespace short_run;
using tests::tiny_scenes;

// The tiny scenes as shards: five of training, one of validation, in the folder "shards".
class Shards {
 public:
  Shards() {
    for (const char* split : {"train", "val"})
      write_shards(tiny_scenes().open(split), tiny_scenes().folder() / "images", folder(),
                   {.prefix = split, .most_samples = 8});
  }
  fs::path folder() const { return directory_.path() / "shards"; }
  std::string pattern(const std::string& split) const { return (folder() / (split + "-*.tar")).string(); }
  fs::path shard(int number) const { return folder() / shard_name("train", number); }

  Settings settings() const {
    Settings settings = settings_in(directory_.path() / "run");
    settings.data.captions = pattern("train");
    settings.data.validation_captions = pattern("val");
    settings.data.images.clear();
    settings.data.annotations.clear();
    settings.data.unseen_split.clear();
    settings.data.vocabulary = tiny_scenes().folder() / "vocab.txt";
    settings.data.shuffle_buffer = 12;
    settings.objectives.content_first = settings.objectives.sibling_negatives = 0;
    return settings;
  }

 private:
  TemporaryDirectory directory_;
};

// A collator of pre-training on the shards, for one of some ranks.
struct Bench {
  ShardSource source;
  Quarantine quarantine;
  Collator collator;

  Bench(const Settings& settings, Share share, int64_t max_bad = 0)
      : source(open(settings), tiny_scenes().vocabulary(), sample_options(settings)),
        quarantine(max_bad, {}),
        collator(source, options(settings, source), quarantine, share) {}

  static ShardSets open(const Settings& settings) {
    std::ostringstream log;
    return open_training_shards(settings.data, log);
  }
  static CollatorOptions options(const Settings& settings, const ShardSource& source) {
    CollatorOptions options = collator_options(settings);
    options.table_side = 6;
    options.window = settings.data.shuffle_buffer;
    options.parts = source.parts();
    return options;
  }
};

void damage(const fs::path& shard, const std::string& at, const std::string& with) {
  std::string bytes = contents(shard);
  const size_t place = bytes.find(at);
  REQUIRE(place != std::string::npos);
  bytes.replace(place, with.size(), with);
  std::ofstream(shard, std::ios::binary) << bytes;
}

}  // namespace

TEST_CASE("Training on shards: a run that is stopped in the middle and goes on ends with the same bits") {
  const Shards shards;
  Settings settings = shards.settings();
  settings.train.steps = 25;  // two epochs and a half
  settings.train.checkpoint_every = 7;
  const std::string log = train_log(settings);
  CHECK(lacking(log, {"train-*.tar: tar shards (data.kind = \"shards\"): 5 shards, 40 pictures\n",
                      "40 captions of 40 images", "trained 25 steps"}) == "");
  const fs::path whole = settings.train.out;
  settings.train.out = whole.parent_path() / "stopped";
  settings.data.workers = 1;
  train_until(settings, "step     16");
  // Caches, threads and workers have no part in it, nor has where the samples are packed.
  settings.data.workers = 3;
  settings.data.prefetch = 9;
  settings.data.cache_bytes = 0;
  CHECK(lacking(train_log(settings), {"continuing from step 14 of 25"}) == "");
  CHECK(same_bits(*newest_checkpoint(whole), *newest_checkpoint(settings.train.out)));
  CHECK(rows(settings.train.out) == rows(whole));
  CHECK(summary_without_time(settings.train.out) == summary_without_time(whole));
}

TEST_CASE("Training on shards: each epoch has every caption once, and false pictures are from the window") {
  const Shards shards;
  const Settings settings = shards.settings();
  const Bench bench(settings, {});
  std::multiset<int64_t> drawn;
  int64_t matched = 0, mismatched = 0;
  for (int64_t step = 0; step < 20; ++step)
    for (const PretrainBatch& batch : bench.collator.step(step)) {
      drawn.insert(batch.sample_ids.begin(), batch.sample_ids.end());
      for (const int64_t label : batch.objectives.pair_labels.to_vector<int64_t>()) (label ? matched : mismatched) += 1;
    }
  for (int64_t caption = 0; caption < 40; ++caption) CHECK(drawn.count(caption) == 2);
  CHECK(matched == 40);
  CHECK(mismatched == 40);
}

TEST_CASE("Training on shards: captions and pictures belong together, as in the data set that was written") {
  const Shards shards;
  const Settings settings = shards.settings();
  const ShardSource source(Bench::open(settings), tiny_scenes().vocabulary(), sample_options(settings));
  const Dataset dataset = tiny_scenes().open("train");
  const SampleSource files(dataset, tiny_scenes().vocabulary(), sample_options(settings));
  REQUIRE(source.captions() == files.captions());
  REQUIRE(source.images() == files.images());
  for (int64_t caption = 0; caption < source.captions(); ++caption) {
    CHECK(source.image_of(caption) == files.image_of(caption));
    CHECK(source.caption(caption) == files.caption(caption));
    CHECK(source.text(caption).ids == files.text(caption).ids);
    CHECK(source.patched(source.image_of(caption)).patches == files.patched(files.image_of(caption)).patches);
  }
}

TEST_CASE("Training on shards: a rank reads its own shards alone, and all have as many steps in an epoch") {
  const Shards shards;
  Settings settings = shards.settings();
  settings.train.batch_size = 6;
  constexpr int kRanks = 2;
  std::vector<std::set<int64_t>> drawn(kRanks);
  const Bench alone(settings, {});
  const std::vector<int64_t> lengths = alone.source.parts().at(0).runs;
  CHECK(lengths == std::vector<int64_t>(5, 8));
  run_ranks(kRanks, [&](Communicator& ranks) {
    // Shards lie on the machine of the rank that reads them: of the others it has the indexes alone.
    const Shards own;
    Settings here = settings;
    here.data.captions = own.pattern("train");
    const Bench bench(here, {ranks.rank(), kRanks});
    std::vector<SampleRun> runs;
    for (int64_t first = 0; first < 40; first += 8) runs.push_back({first, 8});
    const auto of_ranks = runs_of_ranks(runs, kRanks);
    for (const SampleRun& run : of_ranks[static_cast<size_t>(1 - ranks.rank())])
      fs::remove(own.shard(static_cast<int>(run.first / 8)));
    for (int64_t step = 0; step < 30; ++step) {
      Tensor pairs = Tensor::zeros({1}, DType::i64);
      for (const PretrainBatch& batch : bench.collator.step(step)) {
        drawn[static_cast<size_t>(ranks.rank())].insert(batch.sample_ids.begin(), batch.sample_ids.end());
        pairs.mutable_data<int64_t>()[0] += batch.pairs();
      }
      ranks.all_reduce_(pairs);
      CHECK(pairs.to_vector<int64_t>()[0] == 6);
    }
    CHECK(bench.quarantine.count() == 0);
  });
  CHECK(drawn[0].size() == 24);
  CHECK(drawn[1].size() == 16);
  for (const int64_t caption : drawn[0]) CHECK_FALSE(drawn[1].contains(caption));
}

TEST_CASE("Training on shards: samples that turn out to be damaged are named, counted and replaced") {
  const Shards shards;
  Settings settings = shards.settings();
  settings.data.max_bad_files = 3;
  settings.train.steps = 12;
  damage(shards.shard(1), "\xff\xd8\xff", "???");
  damage(shards.shard(1), "000000010.jpg", "000000x10.jpg");
  damage(shards.shard(4), "000000033.txt", "000000033.tyt");
  const std::string log = train_log(settings);
  CHECK(lacking(log, {"trained 12 steps", "3 images left out"}) == "");
  settings.data.max_bad_files = 2;
  CHECK(lacking(train_error(settings, true), {"3 images cannot be used, more than data.max_bad_files (2)"}) == "");
}

TEST_CASE("Training on shards: whole shards that are damaged are left out at the start, up to the limit") {
  const Shards shards;
  Settings settings = shards.settings();
  fs::resize_file(shards.shard(2), 5000);
  settings.data.max_bad_files = 7;
  CHECK(lacking(train_error(settings),
                {"shards: 8 samples cannot be used; at most 7", "train-000002.tar: has 5000 bytes"}) == "");
  settings.data.max_bad_files = 8;
  CHECK(lacking(train_log(settings), {"left out: ", "train-000002.tar: has 5000 bytes", "left out: 7 more samples",
                                      "32 captions of 32 images", "trained 8 steps"}) == "");
}

TEST_CASE("Training on shards: a run whose shards have changed says so") {
  const Shards shards;
  Settings settings = shards.settings();
  train_until(settings, "step      4");
  write_shards(tiny_scenes().open("train"), tiny_scenes().folder() / "images", shards.folder(),
               {.prefix = "train", .most_samples = 10, .force = true});
  CHECK(lacking(train_error(settings), {"shards and their checksums"}) == "");
  settings.train.changed_data = "continue";
  CHECK(lacking(train_log(settings), {"trained 8 steps"}) == "");
}

TEST_CASE("Training on shards: several sets are drawn by weight, or as one") {
  const Shards shards;
  Settings settings = shards.settings();
  const auto set = [&](const char* glob, double weight) {
    return DataSetSettings{.captions = (shards.folder() / glob).string(), .images = "", .weight = weight};
  };
  settings.data.captions.clear();
  settings.data.sets = {set("train-00000[0-1].tar", 1), set("train-00000[2-4].tar", 3)};
  CHECK(lacking(train_log(settings), {"trained on: 16 captions of ", "tar, weight 1\n", "trained on: 24 captions of ",
                                      "40 captions of 40 images"}) == "");
  const fs::path weighted = settings.train.out;
  settings.train.out = weighted.parent_path() / "as_one";
  for (auto& one : settings.data.sets) one.weight = 0;
  train_log(settings);
  Settings whole = shards.settings();
  whole.train.out = weighted.parent_path() / "whole";
  train_log(whole);
  CHECK(same_bits(*newest_checkpoint(settings.train.out), *newest_checkpoint(whole.train.out)));
  CHECK_FALSE(same_bits(*newest_checkpoint(weighted), *newest_checkpoint(whole.train.out)));

  settings.data.sets[1] = {.captions = tiny_scenes().folder() / "dataset.json",
                           .images = tiny_scenes().folder() / "images"};
  CHECK(lacking(train_error(settings, true),
                {"setting 'data.sets': ", "are tar shards and ", "dataset.json is not", "vilt data shard"}) == "");
}

TEST_CASE("Training on shards: what it needs, and what it cannot do, is said before anything is written") {
  const Shards shards;
  Settings settings = shards.settings();
  settings.data.validation_captions.clear();
  CHECK(lacking(train_error(settings),
                {"setting 'data.validation_captions' is empty, and of shards nothing is held out"}) == "");
  settings = shards.settings();
  settings.data.captions = shards.folder();
  CHECK(lacking(train_error(settings), {"8 of its samples are of the split 'val'"}) == "");
  settings = shards.settings();
  settings.data.annotations = tiny_scenes().folder() / "annotations.jsonl";
  CHECK(lacking(train_error(settings), {"setting 'data.annotations' is", "captions in shards have none"}) == "");
  settings = shards.settings();
  settings.objectives.sibling_negatives = 0.5;
  CHECK(lacking(
            train_error(settings),
            {"objectives.sibling_negatives needs the annotation field 'sibling', and captions in shards have none"}) ==
        "");
  settings = shards.settings();
  settings.train.curriculum = 0.5;
  CHECK(lacking(train_error(settings), {"train.curriculum needs the annotation field 'group'"}) == "");
  settings = shards.settings();
  settings.data.unseen_split = "test_unseen";
  CHECK(lacking(train_error(settings), {"setting 'data.test_captions' is empty"}) == "");
  settings = shards.settings();
  settings.data.captions = (shards.folder() / "none-*.tar").string();
  CHECK(lacking(train_error(settings), {"no file is named as"}) == "");
  for (const char* task : {"vqa", "nlvr2", "retrieval"}) {
    settings = shards.settings();
    settings.train.task = task;
    CHECK(lacking(train_error(settings), {"tar shards are for pre-training; the task '", task}) == "");
  }
  CHECK_FALSE(fs::exists(shards.settings().train.out));
}

}  // namespace tessera::training_shards_test

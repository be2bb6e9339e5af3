#include "vilt/tasks/finetuning_run.h"

#include "data/scenes/scene_tasks.h"
#include "tensor/allocator.h"
#include "tests/vilt/tasks/short_run.h"
#include "vilt/tasks/downstream_evaluation.h"
#include "vilt/tasks/memory.h"
#include "vilt/tasks/pretraining.h"
#include "vilt/tasks/text_alone.h"

namespace tessera::finetuning_test {
namespace {

using namespace short_run;

constexpr const char* kTasks[] = {"vqa", "nlvr2", "retrieval"};

// Questions and statements about the tiny scenes.
const fs::path& task_files() {
  static const fs::path folder = [] {
    write_scene_tasks(tests::tiny_scenes().folder(), 0);
    return tests::tiny_scenes().folder() / "tasks";
  }();
  return folder;
}

Settings settings_of(const std::string& task, const fs::path& out) {
  const Settings tiny = settings_in(out);
  Settings settings = Settings::defaults_of(task);
  settings.data = tiny.data;
  settings.image = tiny.image;
  settings.model = tiny.model;
  settings.train.out = tiny.train.out;
  settings.train.epochs = 0;
  settings.train.steps = 6;
  settings.train.batch_size = 4;
  settings.train.log_every = 2;
  settings.train.evaluate_every = 4;
  settings.train.checkpoint_every = 2;
  settings.train.evaluate_samples = 6;
  settings.train.test_samples = 8;
  settings.optimizer.learning_rate = 1e-3;
  settings.downstream.least_answers = 1;
  settings.downstream.false_texts = 3;
  if (task == "vqa") {
    settings.data.captions = task_files() / "v2_OpenEnded_scenes_train_questions.json";
    settings.data.validation_captions = task_files() / "v2_OpenEnded_scenes_val_questions.json";
    settings.data.test_captions = task_files() / "v2_OpenEnded_scenes_test_questions.json";
  } else if (task == "nlvr2") {
    settings.data.captions = task_files() / "nlvr2" / "train.json";
    settings.data.validation_captions = task_files() / "nlvr2" / "val.json";
    settings.data.images = task_files() / "nlvr2";
  }
  return settings;
}

// The training part of a task, ready to draw from.
struct Drawn {
  explicit Drawn(const Settings& settings)
      : task(*downstream_task(settings.train.task)), part(read_part(task, settings, DataPart::train, log)) {
    if (task.classifies && task.images == 1) {
      AnswerCounts counts;
      counts.add(part.questions);
      table = counts.table(1);
    }
    source = std::make_unique<DownstreamSource>(part.set(table, Unanswerable::leave_out),
                                                tests::tiny_scenes().vocabulary(), sample_options(settings));
  }
  std::vector<DownstreamBatch> step(const Settings& settings, int64_t number) {
    return DownstreamCollator(task, *source, downstream_options(settings, table), quarantine).step(number);
  }

  std::ostringstream log;
  const DownstreamTask& task;
  DownstreamPart part;
  AnswerTable table;
  std::unique_ptr<DownstreamSource> source;
  Quarantine quarantine{0, [](const std::string&) {}};
};

VqaQuestion question(int64_t id, const char* image, std::vector<std::string> answers) {
  VqaQuestion out;
  out.id = id;
  out.image = image;
  out.question = text("question ", id);
  out.answers = std::move(answers);
  return out;
}

}  // namespace

TEST_CASE("Questions without an answer of the table are left out of training and kept for evaluation") {
  const std::vector<VqaQuestion> questions{question(7, "a.jpg", {"red", "red", "blue"}), question(8, "b.jpg", {"odd"}),
                                           question(9, "a.jpg", {"blue"})};
  const AnswerTable table({"blue", "red"});
  const DownstreamSet train = questions_set(questions, table, Unanswerable::leave_out);
  REQUIRE(train.samples.size() == 2);
  CHECK(train.left_out == 1);
  CHECK(train.pictures == std::vector<std::string>{"a.jpg"});
  CHECK(train.samples[0].targets.size() == 2);
  CHECK(train.samples[0].targets[0].label == 1);
  CHECK(train.samples[0].targets[0].score == 0.6);
  CHECK(train.samples[1].id == 9);
  CHECK(train.samples[1].images == std::array<int64_t, 2>{0, -1});
  const DownstreamSet all = questions_set(questions, table, Unanswerable::keep);
  CHECK(all.samples.size() == 3);
  CHECK(all.samples[1].targets.empty());
  CHECK(all.pictures == std::vector<std::string>{"a.jpg", "b.jpg"});
}

TEST_CASE("Steps are counted as the published program counts them on one device") {
  const nlohmann::json rows =
      json::parse(contents(fs::path(TESSERA_GOLDEN_DIR) / "finetune_pretrained" / "schedules.json")).at("rows");
  int seen = 0;
  for (const nlohmann::json& row : rows) {
    if (row.at("gpus") != 1 || row.at("nodes") != 1) continue;
    const int64_t micro = row.at("per_gpu_batch"), accumulate = row.at("accumulate");
    const int64_t steps = steps_of_epochs(row.at("pairs"), micro * accumulate, accumulate, row.at("epochs"));
    CHECK(steps == row.at("max_steps").get<int64_t>());
    Settings::Optimizer optimizer;
    optimizer.warmup = row.at("warmup");
    CHECK(static_cast<int64_t>(optimizer.warmup * static_cast<double>(steps)) == row.at("warmup_steps").get<int64_t>());
    ++seen;
  }
  CHECK(seen >= 4);
}

TEST_CASE("A step has each sample's sequences side by side, and is a function of its number") {
  for (const char* name : kTasks) {
    CAPTURE(name);
    const Settings settings = settings_of(name, "unused");
    Drawn drawn(settings);
    const std::vector<DownstreamBatch> step = drawn.step(settings, 5);
    REQUIRE(step.size() == 1);
    const DownstreamBatch& batch = step[0];
    const int64_t texts = drawn.task.classifies ? 1 : 4;
    CHECK(batch.samples == 4);
    CHECK(batch.rows.numel() == 4 * texts * drawn.task.images);
    CHECK(drawn.step(settings, 5)[0].packed.token_ids.to_vector<int64_t>() ==
          batch.packed.token_ids.to_vector<int64_t>());
    CHECK(drawn.step(settings, 6)[0].sample_ids != batch.sample_ids);
    for (int64_t i = 0; i < batch.samples; ++i) {
      const auto first = static_cast<size_t>(i * texts * drawn.task.images);
      const SequenceLayout& own = batch.packed.sequences[first];
      const auto sample = std::find_if(drawn.source->set.samples.begin(), drawn.source->set.samples.end(),
                                       [&](auto& s) { return s.id == batch.sample_ids[static_cast<size_t>(i)]; });
      REQUIRE(sample != drawn.source->set.samples.end());
      const auto place = static_cast<int64_t>(sample - drawn.source->set.samples.begin());
      CHECK(own.text_length == static_cast<int64_t>(drawn.source->text(place).size()));
      const auto modality = batch.packed.modality.to_vector<int64_t>();
      CHECK(modality[static_cast<size_t>(own.begin)] == 0);
      CHECK(modality[static_cast<size_t>(own.first_patch_row())] == 1);
      if (drawn.task.images == 2) {
        const SequenceLayout& second = batch.packed.sequences[first + 1];
        CHECK(second.text_length == own.text_length);
        CHECK(modality[static_cast<size_t>(second.first_patch_row())] == 2);
        CHECK(batch.labels.to_vector<int64_t>()[static_cast<size_t>(i)] == sample->label);
      }
      for (int64_t t = 1; t < texts; ++t)
        CHECK(batch.packed.sequences[first + static_cast<size_t>(t)].image == own.image);
      if (drawn.table.size() == 0) continue;
      std::vector<float> expected(static_cast<size_t>(drawn.table.size()));
      for (const SoftTarget& target : sample->targets)
        expected[static_cast<size_t>(target.label)] = static_cast<float>(target.score);
      CHECK(batch.targets.select(0, i).contiguous().to_vector<float>() == expected);
    }
  }
}

TEST_CASE("One of a picture's false captions is its sibling's as often as is asked") {
  Settings settings = settings_of("retrieval", "unused");
  settings.train.batch_size = 16;
  const auto siblings_among = [&](double chance) {
    settings.downstream.sibling_negatives = chance;
    Drawn drawn(settings);
    int found = 0;
    for (int64_t step = 0; step < 4; ++step) {
      const DownstreamBatch batch = drawn.step(settings, step)[0];
      const auto tokens = batch.packed.token_ids.to_vector<int64_t>();
      for (int64_t i = 0; i < batch.samples; ++i) {
        const auto place = static_cast<size_t>(i * 4 + 1);
        const SequenceLayout& second = batch.packed.sequences[place];
        const int64_t id = batch.sample_ids[static_cast<size_t>(i)];
        const auto& samples = drawn.source->set.samples;
        const auto own = std::find_if(samples.begin(), samples.end(), [&](auto& s) { return s.id == id; });
        REQUIRE(own != samples.end());
        REQUIRE(own->sibling >= 0);
        CHECK(samples[static_cast<size_t>(own->sibling)].id == (id ^ 1));
        auto first = tokens.begin();
        for (size_t before = 0; before < place; ++before) first += batch.packed.sequences[before].text_length;
        found += std::vector<int64_t>(first, first + second.text_length) == drawn.source->text(own->sibling);
      }
    }
    return found;
  };
  const int never = siblings_among(0), half = siblings_among(0.5), always = siblings_among(1);
  CHECK(never <= 8);  // by chance: one of 40 captions
  CHECK(half > never);
  CHECK(half < 55);
  CHECK(always == 64);
  settings.data.annotations.clear();
  CHECK(error_of([&] { settings.validate(); }) == "setting 'downstream.sibling_negatives' needs 'data.annotations'");
}

TEST_CASE("By the text alone: what was most often right with it, or at all") {
  DownstreamSet train;
  const auto add = [&](const char* question, SoftTargets targets, int64_t label = 0) {
    train.samples.push_back({0, question, {0, -1}, std::move(targets), label});
  };
  add("which colour?", {{2, 1.0}, {1, 0.3}});
  add("which colour?", {{1, 0.9}});
  add("which shape?", {{0, 1.0}});
  add("is it?", {{0, 0.6}, {3, 0.6}});
  const TextAlone questions(train);
  CHECK(questions.label("which colour?") == 1);
  CHECK(questions.label("which shape?") == 0);
  CHECK(questions.label("is it?") == 0);
  CHECK(questions.label("how many?") == 0);
  train.samples.clear();
  for (const int64_t label : {1, 1, 0}) add("both show a ring", {}, label);
  CHECK(TextAlone(train).label("both show a ring") == 1);
}

TEST_CASE("Micro-batches of fine-tuning are invisible") {
  for (const char* name : kTasks) {
    CAPTURE(name);
    Settings settings = settings_of(name, "unused");
    settings.model.hidden_dropout_prob = 0;
    settings.model.vocab_size = static_cast<int64_t>(tests::tiny_scenes().vocabulary().size());
    Drawn drawn(settings);
    const auto after = [&](int64_t accumulate) {
      settings.train.accumulate = accumulate;
      Finetuning task(settings,
                      drawn.task.images == 2 ? std::vector<std::string>{"False", "True"} : drawn.table.answers());
      Learner<Finetuning> learner(task, learner_options(settings));
      for (int64_t step = 0; step < 3; ++step) learner.update(drawn.step(settings, step));
      return task.parameters().values().to(DType::f64).to_vector<double>();
    };
    const std::vector<double> whole = after(1), cut = after(4);
    double largest = 0, moved = 0;
    for (size_t i = 0; i < whole.size(); ++i) largest = std::max(largest, std::abs(whole[i] - cut[i]));
    settings.train.accumulate = 1;
    Finetuning untouched(settings,
                         drawn.task.images == 2 ? std::vector<std::string>{"False", "True"} : drawn.table.answers());
    const std::vector<double> before = untouched.parameters().values().to(DType::f64).to_vector<double>();
    for (size_t i = 0; i < whole.size(); ++i) moved = std::max(moved, std::abs(whole[i] - before[i]));
    // Adam divides a gradient by its size, so that noise of 1e-7 in one that is nearly zero shows in a part of a step.
    CHECK(moved > 1e-4);
    CHECK(largest < 0.3 * moved);
    double sum = 0;
    for (size_t i = 0; i < whole.size(); ++i) sum += std::abs(whole[i] - cut[i]);
    CHECK(sum / static_cast<double>(whole.size()) < 1e-6);
  }
}

TEST_CASE("The memory of a task's step is predicted within 10 %") {
  for (const char* name : kTasks) {
    CAPTURE(name);
    Settings settings = settings_of(name, "unused");
    settings.train.batch_size = 24;
    settings.model.hidden_size = 64;
    settings.model.num_hidden_layers = 3;
    settings.model.intermediate_size = 256;
    settings.model.hidden_dropout_prob = 0;
    settings.model.vocab_size = static_cast<int64_t>(tests::tiny_scenes().vocabulary().size());
    Drawn drawn(settings);
    const std::vector<DownstreamBatch> step = drawn.step(settings, 0);
    release_cached_memory();
    const int64_t before = memory_statistics().live_bytes;
    Finetuning task(settings,
                    drawn.task.images == 2 ? std::vector<std::string>{"False", "True"} : drawn.table.answers());
    Learner<Finetuning> learner(task, learner_options(settings));
    learner.update(step);  // threads take their scratch memory
    reset_peak_memory();
    learner.update(step);
    const int64_t measured = memory_statistics().peak_bytes - before;
    ViltWithHeads model(task.model().vilt.config);
    const StepMemory predicted = step_memory(model, shape_of(drawn.task, step[0]), {});
    CHECK(std::abs(static_cast<double>(predicted.peak() - predicted.batch) / static_cast<double>(measured) - 1) < 0.1);
    const StepShape full = full_shape(drawn.task, 2, 5, 7, {3, 2});
    CHECK(full.pairs == 10 * drawn.task.images);
    CHECK(full.tokens == full.pairs * 14);
    CHECK(full.patches == 12 * drawn.task.images);
  }
}

TEST_CASE("A task is stopped and goes on with the same bits, and ends with figures") {
  for (const char* name : kTasks) {
    CAPTURE(name);
    const TemporaryDirectory directory;
    const Settings whole = settings_of(name, directory.path() / "whole");
    Settings cut = whole;
    cut.train.out = directory.path() / "cut";
    const std::string log = train_log(whole);
    CHECK(lacking(log, {"loss = ", "trained 6 steps", "the model begins with drawn weights"}) == "");
    train_until(cut, "step      4");
    CHECK(lacking(train_log(cut), {"continuing from step 2 of 6"}) == "");
    CHECK(same_bits(*newest_checkpoint(whole.train.out), *newest_checkpoint(cut.train.out)));
    CHECK(rows(whole.train.out) == rows(cut.train.out));
    CHECK(summary_without_time(whole.train.out) == summary_without_time(cut.train.out));
    // Pictures of both evaluations for TensorBoard, once, also where a step was made twice.
    for (const fs::path& run : {fs::path(whole.train.out), fs::path(cut.train.out)}) {
      int pictures = 0;
      for (const auto& entry : fs::directory_iterator(run))
        if (entry.path().extension() == ".tessera") {
          const std::string events = contents(entry.path());
          for (size_t at = 0; (at = events.find("examples/", at)) != std::string::npos; ++at) ++pictures;
        }
      CHECK(pictures == 2 * 4 * downstream_task(name)->images);
    }
    const json summary = json::parse(contents(fs::path(whole.train.out) / "summary.json"));
    CHECK(summary.at("task") == name);
    CHECK(summary.at("test").size() >= 4);
    CHECK(summary.contains("text_alone") == downstream_task(name)->classifies);
    if (summary.contains("text_alone")) {
      // By the text alone a figure of fewer parts, and none of a picture.
      CHECK(summary.at("text_alone").contains("accuracy"));
      CHECK_FALSE(summary.at("text_alone").contains("other_picture"));
    }
    CHECK(read_summary(fs::path(whole.train.out) / "summary.json").figures.at("test").size() ==
          summary.at("test").size());
    CHECK(lacking(train_log(cut), {"is finished"}) == "");
    // A checkpoint like any other.
    const LoadedModel model = load_model(whole.train.out);
    const DownstreamTask& task = *downstream_task(name);
    CHECK(model.config.architecture == task.architecture);
    CHECK(model.config.heads.classifier == task.classifies);
    CHECK(model.config.heads.rank == !task.classifies);
    if (task.images == 2) CHECK(model.config.labels == std::vector<std::string>{"False", "True"});
  }
}

TEST_CASE("Retrieval begins as matching, keeps that head, and a pair's second picture begins as the first") {
  const TemporaryDirectory directory;
  for (const char* name : kTasks) {
    CAPTURE(name);
    Settings settings = settings_of(name, directory.path() / name);
    settings.model = ModelConfig();
    settings.train.init_from = finished_run().run();
    settings.optimizer.learning_rate = 0;
    const std::string log = train_log(settings);
    CHECK(lacking(log, {"begins with the weights of"}) == "");
    const SafeTensors before =
        load_safetensors((*newest_checkpoint(finished_run().run()) / "model.safetensors").string());
    const SafeTensors after = load_safetensors((*newest_checkpoint(settings.train.out) / "model.safetensors").string());
    const std::string types = "vilt.embeddings.token_type_embeddings.weight";
    const Tensor old_rows = before.at(types), new_rows = after.at(types);
    CHECK(new_rows.size(0) == (std::string(name) == "nlvr2" ? 3 : 2));
    CHECK(new_rows.select(0, new_rows.size(0) - 1).to_vector<float>() == old_rows.select(0, 1).to_vector<float>());
    CHECK(after.contains("itm_score.fc.weight") == (std::string(name) == "retrieval"));
    if (std::string(name) != "retrieval") continue;
    CHECK(lacking(log, {"new: the retrieval head, which begins as the matching head's row for a match"}) == "");
    CHECK(after.at("rank_output.weight").to_vector<float>() ==
          before.at("itm_score.fc.weight").select(0, 1).contiguous().to_vector<float>());
  }
}

TEST_CASE("Answers and words that are not those of the run's checkpoint are errors") {
  const TemporaryDirectory directory;
  Settings settings = settings_of("vqa", directory.path() / "run");
  settings.data.captions = directory.path() / "list.csv";
  settings.data.validation_captions.clear();
  settings.data.test_captions.clear();
  settings.data.images = tests::tiny_scenes().folder() / "images";
  const auto write = [&](const char* answer) {
    std::ofstream out(settings.data.captions);
    out << "image,question,answer,split\n";
    for (int i = 0; i < 6; ++i)
      out << "train/00000" << i << ".jpg,what is it?," << (i % 2 == 0 ? "ring" : answer) << ','
          << (i == 4   ? "val"
              : i == 5 ? "test"
                       : "train")
          << '\n';
  };
  write("cross");
  settings.data.vocabulary.clear();
  settings.train.changed_data = "continue";
  train_until(settings, "step      4");
  // Nobody gave a vocabulary: it is of the questions, and lies in the checkpoint.
  CHECK(Wordpiece::from_file(*newest_checkpoint(settings.train.out) / "vocab.txt").size() < 60);
  write("square");
  CHECK(lacking(train_error(settings), {"was trained with other answers (id2label) than the data give now"}) == "");
  write("cross");
  CHECK(lacking(train_log(settings), {"continuing from step 2 of 6", "trained 6 steps"}) == "");
}

TEST_CASE("The published settings of a task are its defaults") {
  const Settings vqa = Settings::from_text("[data]\ncaptions = 'a'\nimages = 'b'\n[train]\ntask = 'vqa'\n", "text");
  CHECK(vqa.optimizer.head_factor == 10);
  CHECK(vqa.train.epochs == 10);
  CHECK(vqa.train.batch_size == 256);
  CHECK(vqa.image.max_patches == 0);
  CHECK(vqa.image.augment == "randaugment");
  const Settings pairs = Settings::from_text("[data]\ncaptions = 'a'\nimages = 'b'\n", "text", {"train.task=nlvr2"});
  CHECK(pairs.optimizer.head_factor == 1);
  CHECK(pairs.train.batch_size == 128);
  const Settings before = Settings::from_text("[data]\ncaptions = 'a'\nimages = 'b'\n", "text");
  CHECK(before.train.epochs == 0);
  CHECK(before.image.max_patches == 200);
  CHECK(error_of([] { Settings::from_text("[data]\ncaptions = 'a'\nimages = 'b'\n[train]\nepochs = 3\n", "text"); }) ==
        "setting 'train.epochs' is 3, but pre-training counts steps ('train.steps')");
}

}  // namespace tessera::finetuning_test

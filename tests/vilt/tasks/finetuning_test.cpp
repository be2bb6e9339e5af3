#include "vilt/tasks/finetuning_run.h"

#include "tensor/allocator.h"
#include "tests/vilt/tasks/small_tasks.h"
#include "vilt/tasks/downstream_evaluation.h"
#include "vilt/tasks/memory.h"

namespace tessera::finetuning_test {

using namespace small_tasks;

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

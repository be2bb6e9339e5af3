// What a downstream task draws: samples, steps, and what is right of them.
#include "tests/vilt/tasks/small_tasks.h"
#include "vilt/tasks/text_alone.h"

namespace tessera::downstream_data_test {
namespace {

using namespace small_tasks;

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

TEST_CASE(
    "Lists of questions: a file of its own is whole, one for all is divided, and a name that says train is told") {
  const TemporaryDirectory directory;
  Settings settings = Settings::defaults_of("vqa");
  settings.data.images = directory.path();
  std::string rows = "image,question,answer\n";
  for (int i = 0; i < 40; ++i) {
    directory.write(text(i, ".png"), "");
    rows += text(i, ".png,a?,x\n");
  }
  const auto size = [&](DataPart part) {
    std::ostringstream log;
    return read_part(*downstream_task("vqa"), settings, part, log).size();
  };
  const auto sizes = [&] {
    return std::array{size(DataPart::train), size(DataPart::validation), size(DataPart::test)};
  };
  settings.data.captions = directory.write("questions.csv", rows);
  CHECK(sizes() == std::array<size_t, 3>{36, 2, 2});
  settings.data.test_captions = directory.write("others.csv", rows);
  CHECK(sizes() == std::array<size_t, 3>{36, 2, 40});
  settings.data.validation_captions = directory.write("more.csv", rows);
  CHECK(sizes() == std::array<size_t, 3>{40, 40, 40});
  settings.data.captions = directory.write("train.csv", rows);
  CHECK(sizes() == std::array<size_t, 3>{40, 40, 40});
  settings.data.validation_captions = "";
  CHECK(size(DataPart::train) == 40);
  CHECK(lacking(error_of([&] { size(DataPart::validation); }),
                {"train.csv: no question has the split 'val'; by the file's name all are of 'train': "
                 "data.validation_captions names a file for validation, and of a file whose name tells no split"}) ==
        "");
  // What vilt eval reads of a list that says nothing is what training held out of it for the test.
  for (std::string* file : {&settings.data.captions, &settings.data.validation_captions, &settings.data.test_captions})
    *file = directory.path() / "questions.csv";
  CHECK(size(DataPart::test) == 2);
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
    OptimizerSettings optimizer;
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

}  // namespace tessera::downstream_data_test

// Training of CLIP and VSE++ on a few scenes: the loss of a step in pieces, checkpoints that resume and are of use.
#include <doctest/doctest.h>

#include <cmath>

#include "autograd/functions.h"
#include "io/safetensors.h"
#include "models/clip/embedder.h"
#include "models/clip/task.h"
#include "models/training/two_towers.h"
#include "models/vse/load.h"
#include "models/vse/pictures.h"
#include "models/vse/task.h"
#include "tests/error_text.h"
#include "tests/tiny_scenes.h"

namespace tessera::two_towers_test {
namespace {

namespace fs = std::filesystem;
using tests::error_of;
using tests::lacking;
using tests::tiny_scenes;

SampleOptions picture_options() {
  SampleOptions options = tests::TinyScenes::sample_options();
  options.norm.mean.fill(0.2f);
  options.norm.std.fill(0.25f);
  return options;
}

struct Data {
  Dataset dataset = tiny_scenes().open("train");
  SampleSource source{dataset, tiny_scenes().vocabulary(), picture_options()};
  Quarantine quarantine{0, {}};
};

PairDrawOptions draws(int64_t batch, int64_t accumulate) {
  PairDrawOptions options;
  options.batch_size = batch;
  options.seed = 3;
  options.accumulate = accumulate;
  return options;
}

ClipTaskOptions clip_options(int64_t batch = 8, int64_t accumulate = 1) {
  ClipTaskOptions options;
  options.config.vision = {
      .hidden_size = 16, .intermediate_size = 24, .num_hidden_layers = 2, .num_attention_heads = 2};
  options.config.text = {.hidden_size = 12, .intermediate_size = 20, .num_hidden_layers = 1, .num_attention_heads = 2};
  options.config.image_size = 96;
  options.config.patch_size = 16;
  options.config.max_position_embeddings = 24;
  options.config.projection_dim = 10;
  options.init = ClipInit::fan_in;
  options.vocab_size = 540;
  options.draws = draws(batch, accumulate);
  return options;
}

VseTaskOptions vse_options(int64_t batch = 8, int64_t accumulate = 1) {
  VseTaskOptions options;
  options.config.word_dim = 6;
  options.config.embed = 10;
  options.config.cnn = ResNetOptions{.bottleneck = false, .layers = {1, 1}, .widths = {4, 8}};
  options.config.image_size = 96;
  options.least_count = 1;
  options.draws = draws(batch, accumulate);
  return options;
}

// Gradients of the first step's loss, and the figure, dealt out to ranks.
struct First {
  double figure = 0;
  std::vector<float> gradients;
};

template <class Task, class Options>
First first_step(const Options& options, int ranks) {
  std::vector<First> out(static_cast<size_t>(ranks));
  run_ranks(ranks, [&](Communicator& here) {
    Data data;
    Task task(options, data.source, data.quarantine, {here.rank(), here.size()});
    LearnerOptions learning;
    learning.schedule = {.peak = 1e-3, .total = 10};
    Learner<Task> learner(task, learning, here);
    const Figures figures = learner.update(task.step(0));
    out[static_cast<size_t>(here.rank())] = {figures.loss, task.parameters().gradients().template to_vector<float>()};
  });
  for (const First& each : out) CHECK(each.gradients == out[0].gradients);
  return out[0];
}

double difference(const First& a, const First& b) {
  double largest = 0, apart = 0;
  for (size_t i = 0; i < a.gradients.size(); ++i) {
    largest = std::max(largest, std::abs(double{a.gradients[i]}));
    apart = std::max(apart, std::abs(double{a.gradients[i]} - b.gradients[i]));
  }
  return apart / largest;
}

template <class Task>
void train(Task& task, Learner<Task>& learner, int64_t until) {
  while (learner.updates() < until) learner.update(task.step(learner.updates()));
}

LearnerOptions learning(int64_t total) {
  LearnerOptions options;
  options.schedule = {.peak = 3e-3, .total = total};
  options.clip = 2;
  return options;
}

void check_same(const std::map<std::string, Tensor>& expected, const std::map<std::string, Tensor>& state) {
  for (const auto& [name, value] : expected) {
    CAPTURE(name);
    CHECK(value.to_vector<float>() == state.at(name).to_vector<float>());
  }
}

// Six steps at once, and three, saved and opened by a new task, and three more.
template <class Task, class Options>
void check_resuming(const Options& options) {
  const tests::TemporaryDirectory directory;
  Data data;
  Task whole(options, data.source, data.quarantine);
  Learner<Task> at_once(whole, learning(6));
  train(whole, at_once, 6);
  Task cut(options, data.source, data.quarantine);
  Learner<Task> first(cut, learning(6));
  train(cut, first, 3);
  cut.save(directory.path());
  const auto moments = first.optimizer().state();
  Task again(options, data.source, data.quarantine);
  Learner<Task> second(again, learning(6));
  again.open(directory.path())();
  second.optimizer().load_state(moments, "moments");
  train(again, second, 6);
  check_same(whole.parameters().state(), again.parameters().state());
}

}  // namespace

static_assert(Learnable<ClipTask> && BeginsSteps<ClipTask> && EndsUpdates<ClipTask>);
static_assert(Learnable<VseTask> && BeginsSteps<VseTask>);

// Bound: f32. A gradient is summed over at most 8 · 30 rows, in another order where the rows are cut otherwise, so some
// tens of roundings of 6e-8 of terms of the size of the largest: 1e-5 of it.
TEST_CASE("clip: a step in micro-batches and on ranks has the gradients of one batch") {
  const First whole = first_step<ClipTask>(clip_options(), 1);
  CHECK(whole.figure > 1);
  for (const auto& [accumulate, ranks] : {std::pair{2, 1}, {3, 1}, {8, 1}, {1, 2}, {2, 4}}) {
    CAPTURE(accumulate);
    CAPTURE(ranks);
    const First pieces = first_step<ClipTask>(clip_options(8, accumulate), ranks);
    CHECK(pieces.figure == doctest::Approx(whole.figure).epsilon(1e-5));
    CHECK(difference(whole, pieces) < 1e-5);
  }
}

TEST_CASE("vse: a step in micro-batches and on ranks has the gradients of one batch, of either kind of negatives") {
  for (const int64_t from : {int64_t{0}, int64_t{-1}}) {
    CAPTURE(from);
    // The picture's network by its running statistics: no picture's features depend on the others'.
    const auto options = [&](int64_t accumulate) {
      VseTaskOptions out = vse_options(8, accumulate);
      out.hardest_from = from;
      out.train_resnet = false;
      return out;
    };
    const First whole = first_step<VseTask>(options(1), 1);
    CHECK(whole.figure > 0.5);
    for (const auto& [accumulate, ranks] : {std::pair{2, 1}, {8, 1}, {1, 2}, {2, 4}}) {
      const First pieces = first_step<VseTask>(options(accumulate), ranks);
      CHECK(pieces.figure == doctest::Approx(whole.figure).epsilon(1e-5));
      CHECK(difference(whole, pieces) < 1e-5);
    }
  }
}

TEST_CASE("clip: it learns, its scale stays in its range, and it resumes bit for bit") {
  Data data;
  ClipTask task(clip_options(16), data.source, data.quarantine);
  Learner<ClipTask> learner(task, learning(60));
  const double before = learner.update(task.step(0)).loss;
  double last = 0;
  while (learner.updates() < 60) last = learner.update(task.step(learner.updates())).loss;
  CHECK(last < 0.7 * before);
  Variable scale = task.model().logit_scale;
  scale.mutable_value().fill_(9);
  task.after_update();
  CHECK(task.model().logit_scale.value().item<float>() == doctest::Approx(std::log(100.0)));
  check_resuming<ClipTask>(clip_options(8, 2));
}

TEST_CASE("vse: it learns with hinges of all, then of the hardest negatives, and resumes bit for bit") {
  Data data;
  VseTaskOptions options = vse_options(16);
  options.hardest_from = 40;
  VseTask task(options, data.source, data.quarantine);
  Learner<VseTask> learner(task, learning(80));
  double first = 0, before = 0, behind = 0, last = 0;
  while (learner.updates() < 80) {
    const int64_t step = learner.updates();
    last = learner.update(task.step(step)).loss;
    if (step == 0) first = last;
    if (step == 39) before = last;
    if (step == 40) behind = last;
  }
  CHECK(before < 0.9 * first);
  CHECK(behind < 0.5 * before);  // 32 hinges instead of 480
  check_resuming<VseTask>(vse_options(8, 2));
}

TEST_CASE("vse: running statistics move once in a step of two passes; a frozen network does not move") {
  Data data;
  VseTask task(vse_options(8, 2), data.source, data.quarantine);
  const auto statistics = [&] {
    return task.parameters().state().at("img_enc.cnn.bn1.running_mean").to_vector<float>();
  };
  const std::vector<VseBatch> step = task.step(0);
  const auto before = statistics();
  task.begin_step(step, single_rank(), TicketSource(0, 0));
  CHECK(statistics() == before);
  TicketSource tickets(0, 0);
  task.losses(step[0], {}, tickets);
  CHECK(statistics() != before);

  VseTaskOptions options = vse_options(8, 2);
  options.train_resnet = false;
  VseTask frozen(options, data.source, data.quarantine);
  std::map<std::string, std::vector<float>> values;
  for (const auto& [name, value] : frozen.parameters().state()) values[name] = value.to_vector<float>();
  Learner<VseTask> learner(frozen, learning(4));
  train(frozen, learner, 4);
  for (const auto& [name, value] : frozen.parameters().state()) {
    CAPTURE(name);
    CHECK((value.to_vector<float>() == values[name]) == name.starts_with("img_enc.cnn."));
  }
}

TEST_CASE("clip: a checkpoint is a directory for embed and search") {
  const tests::TemporaryDirectory run;
  const fs::path folder = run.path() / "checkpoint-3";
  fs::create_directory(folder);
  Data data;
  ClipTask task(clip_options(), data.source, data.quarantine);
  Learner<ClipTask> learner(task, learning(3));
  train(task, learner, 3);
  task.save(folder);
  CHECK(is_clip(folder));
  CHECK(is_clip(run.path()));
  const ClipEmbedder embedder(run.path(), {});
  std::vector<PreparedPicture> pictures;
  std::vector<std::string> texts;
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < 6; ++i) {
    numbers.push_back(i);
    texts.push_back(data.source.caption(i));
    pictures.push_back(embedder.prepared(data.dataset.images()[static_cast<size_t>(i)].path()));
  }
  // The same numbers go in, and the same model computes.
  CHECK(embedder.pictures(pictures).to_vector<float>() ==
        task.picture_vectors(data.source, numbers).to_vector<float>());
  CHECK(embedder.texts(texts).to_vector<float>() == task.text_vectors(data.source, numbers).to_vector<float>());
  const auto scores = vector_scores(
      numbers, numbers, [&](auto captions) { return task.text_vectors(data.source, captions); },
      [&](auto images) { return task.picture_vectors(data.source, images); }, inner_product, 4);
  CHECK(scores.size() == 6);
  for (const double score : scores) CHECK(std::abs(score) <= 1.0001);

  ClipTaskOptions other = clip_options();
  other.vocab_size = 530;
  ClipTask smaller(other, data.source, data.quarantine);
  CHECK(lacking(error_of([&] { smaller.open(folder); }), {"was trained with another vocabulary"}) == "");
  other = clip_options();
  other.config.projection_dim = 11;
  ClipTask wider(other, data.source, data.quarantine);
  CHECK(lacking(error_of([&] { wider.open(folder); }), {"config.json: is of a model of other sizes"}) == "");
}

TEST_CASE("vse: a checkpoint is loaded, with its words and how pictures are prepared") {
  const tests::TemporaryDirectory run;
  const fs::path folder = run.path() / "checkpoint-3";
  fs::create_directory(folder);
  Data data;
  VseTask task(vse_options(), data.source, data.quarantine);
  Learner<VseTask> learner(task, learning(3));
  train(task, learner, 3);
  task.save(folder);
  CHECK(is_vse(run.path()));
  CHECK_FALSE(is_vse(run.path().parent_path()));
  const LoadedVse vse = load_vse(run.path());
  std::vector<int64_t> numbers;
  std::vector<std::string> texts;
  std::vector<fs::path> files;
  for (int64_t i = 0; i < 5; ++i) {
    numbers.push_back(i);
    texts.push_back(data.source.caption(i));
    files.push_back(data.dataset.images()[static_cast<size_t>(i)].path());
  }
  CHECK(vse.texts(texts).to_vector<float>() == task.text_vectors(data.source, numbers).to_vector<float>());
  CHECK(vse.images(files).to_vector<float>() == task.picture_vectors(data.source, numbers).to_vector<float>());
  CHECK(vse.texts({"", "zyzzyva ☃"}).shape() == Shape{2, 10});  // an empty text has its beginning and its end
  VseTaskOptions other = vse_options();
  other.least_count = 15;
  VseTask fewer(other, data.source, data.quarantine);
  CHECK(lacking(error_of([&] { fewer.open(folder); }), {"was trained with another vocabulary"}) == "");
  fs::remove(folder / "words.txt");
  CHECK(lacking(error_of([&] { load_vse(folder); }), {"words.txt"}) == "");
}

TEST_CASE("vse: stored features in the place of a network") {
  const tests::TemporaryDirectory directory;
  const fs::path file = directory.path() / "features.safetensors", images = tiny_scenes().folder() / "images";
  Data data;
  std::string names;
  std::vector<float> values;
  for (const DatasetImage& image : data.dataset.images()) {
    names += text(names.empty() ? "[" : ",", "{\"name\":\"", image.path().lexically_relative(images).string(), "\"}");
    Random random(5, static_cast<uint64_t>(image.id));
    for (int i = 0; i < 7; ++i) values.push_back(static_cast<float>(random.normal()));
  }
  const Tensor vectors = Tensor::from(values, {static_cast<int64_t>(data.dataset.images().size()), 7});
  save_safetensors(file.string(), {{"vectors", vectors}}, {{"pictures", names + "]"}});
  VseTaskOptions options = vse_options(8, 2);
  options.features = file;
  options.image_folder = images;
  VseTask task(options, data.source, data.quarantine);
  CHECK_FALSE(task.model().cnn.has_value());
  CHECK(task.model().config.features == 7);
  // The picture of the second caption, by its own row.
  const int64_t second[] = {1};
  const Variable row = l2_normalise(Variable(vectors.narrow(0, data.source.image_of(1), 1).contiguous()));
  CHECK(task.picture_vectors(data.source, second).to_vector<float>() ==
        task.model().image_embeddings(row).value().to_vector<float>());
  check_resuming<VseTask>(options);
  task.save(directory.path());
  CHECK(lacking(error_of([&] { load_vse(directory.path()).images({"a.jpg"}); }), {"takes features of pictures"}) == "");

  options.image_folder = images.parent_path();
  VseTask elsewhere(options, data.source, data.quarantine);
  CHECK(lacking(error_of([&] { elsewhere.step(0); }), {"features.safetensors: has no features of "}) == "");
  save_safetensors(file.string(), {{"vectors", vectors}}, {{"pictures", "[\"a\"]"}});
  CHECK(lacking(error_of([&] { StoredFeatures(file, images); }), {"'pictures' has 1 entries"}) == "");
  save_safetensors(file.string(), {{"vectors", vectors.narrow(0, 0, 2).contiguous()}}, {{"pictures", R"(["a","a"])"}});
  CHECK(lacking(error_of([&] { StoredFeatures(file, images); }), {"is there twice"}) == "");
  save_safetensors(file.string(), {{"vectors", vectors.narrow(0, 0, 1).contiguous()}}, {{"pictures", "[3]"}});
  CHECK(lacking(error_of([&] { StoredFeatures(file, images); }), {"an entry without a name"}) == "");
  save_safetensors(file.string(), {{"other", vectors}}, {{"pictures", "[]"}});
  CHECK(lacking(error_of([&] { StoredFeatures(file, images); }), {"no features of pictures"}) == "");
}

TEST_CASE("two towers: what a task refuses") {
  Data data;
  CHECK(lacking(error_of([&] { ClipTask(clip_options(1), data.source, data.quarantine); }),
                {"train.batch_size is 1", "nothing to tell it from"}) == "");
  CHECK(lacking(error_of([&] { VseTask(vse_options(8, 9), data.source, data.quarantine); }),
                {"train.accumulate is 9, expected 1 to 8"}) == "");
  ClipTaskOptions patches = clip_options();
  patches.config.patch_size = 8;
  CHECK(lacking(error_of([&] { ClipTask(patches, data.source, data.quarantine); }),
                {"cut into patches of 16, the model takes 8"}) == "");
  VseTaskOptions margin = vse_options();
  margin.margin = NAN;
  CHECK(lacking(error_of([&] { VseTask(margin, data.source, data.quarantine); }), {"the margin is"}) == "");
  VseTaskOptions features = vse_options();
  features.config.cnn.reset();
  CHECK(lacking(error_of([&] { VseTask(features, data.source, data.quarantine); }),
                {"no network that reads pictures, and no features"}) == "");
}

TEST_CASE("two towers: scores of pairs and of all pictures with all texts") {
  // Of number i the vector (i, 1): the score of a pair is image · caption + 1.
  const VectorsOf vectors = [](std::span<const int64_t> numbers) {
    std::vector<float> values;
    for (const int64_t number : numbers) values.insert(values.end(), {static_cast<float>(number), 1});
    return Tensor::from(values, {static_cast<int64_t>(numbers.size()), 2});
  };
  const CaptionModel model = vector_model(vectors, vectors, inner_product);
  CHECK_FALSE(model.threshold);
  CHECK(model.scores({2, 3, 3}, {5, 7, 5}) == std::vector<double>{11, 22, 16});
  CHECK(model.scores({}, {}).empty());
  CHECK(model.all({5, 7}, {2, 3, 0}) == std::vector<double>{11, 16, 1, 15, 22, 1});
  const float picture[] = {1, -2, 3}, text[] = {2, -1, 3};
  CHECK(vse_score(VseMeasure::cosine, picture, text, 3) == 13);
  CHECK(vse_score(VseMeasure::order, picture, text, 3) == doctest::Approx(-std::sqrt(2.0)));
}

TEST_CASE("vse: pictures in the middle of a square, and the middle of larger ones") {
  Image image = make_image(2, 3);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(i + 1);
  const PixelNorm norm{{0, 0, 0},
                       {1.0f / 255, 1.0f / 255, 1.0f / 255}};  // gives the levels themselves, but for rounding
  std::vector<float> planes(3 * 16);
  centred_planes(image, 4, norm, planes);
  for (float& value : planes) value = std::round(value);
  const std::vector<float> red(planes.begin(), planes.begin() + 16);
  CHECK(red == std::vector<float>{0, 0, 0, 0, 1, 4, 7, 0, 10, 13, 16, 0, 0, 0, 0, 0});
  CHECK(planes[16 + 4] == 2);
  std::vector<float> one(3);
  centred_planes(image, 1, norm, one);
  for (float& value : one) value = std::round(value);
  CHECK(one == std::vector<float>{4, 5, 6});
  CHECK(lacking(error_of([&] { centred_planes(image, 2, norm, one); }), {"room for 3 numbers, expected 12"}) == "");
}

TEST_CASE("vse: words of captions, and a list that is none") {
  std::map<std::string, int64_t> counts;
  for (const char* caption : {"A red ring, and a ring.", "a blue ring"}) VseWords::count(caption, counts);
  const VseWords words = VseWords::of_counts(counts, 2);
  CHECK(words.words() == std::vector<std::string>{"<pad>", "<start>", "<end>", "<unk>", "a", "ring"});
  CHECK(words.encode("The RING") == std::vector<int64_t>{1, 3, 5, 2});
  CHECK(words.encode("") == std::vector<int64_t>{1, 2});
  const tests::TemporaryDirectory directory;
  words.write(directory.path() / "words.txt");
  CHECK(VseWords::from_file(directory.path() / "words.txt").words() == words.words());
  CHECK(lacking(error_of([] { VseWords({"a"}, "w"); }), {"w: word 1 is ", "expected <pad>"}) == "");
  CHECK(lacking(error_of([] {
                  VseWords({"<pad>", "<start>", "<end>", "<unk>", "b", "b"}, "w");
                }),
                {"there twice"}) == "");
  CHECK(lacking(error_of([] { VseWords({"<pad>", "<start>", "<end>", "<unk>", ""}, "w"); }), {"is empty"}) == "");
}

}  // namespace tessera::two_towers_test

#include "vilt/tasks/evaluation.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "data/text/masking.h"
#include "tests/error_text.h"
#include "tests/vilt/tiny_model.h"

namespace tessera::evaluation_test {
namespace {

using tests::error_of;
using tests::lacking;
using tests::tiny_scenes;
using tests::tiny_settings;
using tests::TinyModel;

struct Split {
  Dataset dataset;
  SampleSource source;
  explicit Split(Dataset set)
      : dataset(std::move(set)), source(dataset, tiny_scenes().vocabulary(), sample_options(tiny_settings())) {}
  explicit Split(bool annotated = true) : Split(tiny_scenes().open("test", annotated)) {}

  std::vector<int64_t> sentences() const {
    std::vector<int64_t> out;
    for (size_t s = 0; s < dataset.sentences().size(); ++s) out.push_back(static_cast<int64_t>(s));
    return out;
  }
};

// Attention, costs and logits of a model whose parameters are all zero (LayerNorms aside) are the same everywhere, so
// what an evaluation of it says is known. `word` and `match`: biases of the heads.
ViltWithHeads indifferent(int64_t word, double word_bias, double match_bias) {
  ViltWithHeads model(tiny_settings().model);
  model.masked_words->bias.mutable_value().mutable_data<float>()[word] = static_cast<float>(word_bias);
  model.visit("", [&](const std::string& name, Variable& parameter) {
    if (name == "itm_score.fc.bias")
      parameter.mutable_value().mutable_data<float>()[1] = static_cast<float>(match_bias);
  });
  return model;
}

// Two pictures, the first with two captions whose objects are annotated in opposite order, and no siblings.
struct HandMade {
  tests::TemporaryDirectory directory;
  HandMade() {
    for (const auto& [name, grey] : {std::pair("a.png", 40), std::pair("b.png", 200)}) {
      Image image = make_image(32, 64);
      std::fill(image.pixels.begin(), image.pixels.end(), static_cast<uint8_t>(grey));
      const auto bytes = encode_png(image);
      directory.write(name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
    directory.write("set.json", R"({"images": [
      {"filename": "a.png", "imgid": 0, "split": "test", "sentences": [{"raw": "a ring above a star", "sentid": 0},
                                                                         {"raw": "a star below a ring", "sentid": 1}]},
      {"filename": "b.png", "imgid": 1, "split": "test", "sentences": [{"raw": "a ring", "sentid": 2}]}]})");
  }
  Split open(const std::string& annotations) const {
    DatasetOptions options;
    options.splits = {"test"};
    if (!annotations.empty()) options.annotations = directory.write("annotations.jsonl", annotations);
    return Split(Dataset::open(directory.path() / "set.json", directory.path(), options));
  }
};

// The ring fills the upper left patch (of 2 x 4), the star the three others of the left half.
const char* const kRingStar =
    R"({"sentid": 0, "content_words": [{"begin": 2, "end": 6, "kind": "shape", "object": 0}, {"begin": 15, "end": 19, "kind": "shape", "object": 1}],
        "objects": [{"box": [0, 0, 16, 16], "attributes": {"shape": "ring"}}, {"box": [0, 0, 32, 32], "attributes": {"shape": "star"}}]})";

std::string one_line(std::string json) {
  std::replace(json.begin(), json.end(), '\n', ' ');
  return json + "\n";
}

}  // namespace

TEST_CASE("A patch belongs to a box if its centre does, borders at the left and top included") {
  using Flags = std::vector<bool>;
  CHECK(patches_in_box({0, 0, 32, 16}, {2, 3}, 16) == Flags{true, true, false, false, false, false});
  CHECK(patches_in_box({8, 8, 16, 16}, {2, 3}, 16) == Flags{true, false, false, false, false, false});
  CHECK(patches_in_box({8.1, 0, 40, 24.1}, {2, 3}, 16) == Flags{false, true, true, false, true, true});
  CHECK(patches_in_box({9, 9, 5, 5}, {2, 3}, 16) == Flags(6, false));
}

TEST_CASE("The head noun is the object's last content word, with all its pieces") {
  const Split split;
  for (const int64_t s : split.sentences()) {
    const Annotation& annotation = *split.dataset.annotation(s);
    for (size_t o = 0; o < annotation.objects->size(); ++o) {
      const std::vector<int64_t> tokens = head_noun(split.source, s, static_cast<int64_t>(o));
      std::vector<int64_t> ids;
      for (const int64_t token : tokens) ids.push_back(split.source.text(s).ids[static_cast<size_t>(token)]);
      CHECK(split.source.vocabulary().decode(ids) == (*annotation.objects)[o].attributes.at("shape"));
    }
    CHECK(head_noun(split.source, s, 7).empty());
  }
  CHECK(head_noun(Split(false).source, 0, 0).empty());
}

TEST_CASE(
    "False images are neither the own, nor the sibling, nor one of which the caption is true; and always the same") {
  const Split split;
  const std::vector<int64_t> images = false_images(split.source, split.sentences());
  REQUIRE(images.size() == 40);
  std::set<int64_t> different;
  for (const int64_t s : split.sentences()) {
    const int64_t image = images[static_cast<size_t>(s)];
    CHECK(image != split.source.image_of(s));
    CHECK(image != split.dataset.sibling(s));
    const int64_t other = split.dataset.images()[static_cast<size_t>(image)].first_sentence;
    CHECK_FALSE(caption_true_of(*split.dataset.annotation(s), *split.dataset.annotation(other)));
    different.insert(image);
  }
  CHECK(different.size() > 15);
  CHECK(images == false_images(split.source, split.sentences()));
  for (const int64_t s : split.sentences()) {
    const Split plain(false);
    CHECK(false_images(plain.source, {s})[0] != plain.source.image_of(s));
  }
}

TEST_CASE("A model that is indifferent: ties share the hit, own and other are equal, chance everywhere") {
  const Split split;
  const Evaluation e = evaluate(indifferent(0, 0, 1), split.source);
  CHECK(e.samples == 40);
  CHECK(e.pointed_words > 40);
  // Everything "matches": all true pairs right, all false ones wrong.
  CHECK(e.itm_accuracy_random == 0.5);
  CHECK(e.itm_accuracy_hard == 0.5);
  CHECK(e.itm_accuracy_hard_by_kind.size() >= 3);
  for (const auto& [kind, accuracy] : e.itm_accuracy_hard_by_kind) CHECK(accuracy == 0.5);
  REQUIRE(e.pointing_chance);
  CHECK(*e.pointing_chance > 0.03);
  CHECK(*e.pointing_chance < 0.3);
  for (const Figure& figure : {e.pointing_attention, e.pointing_plan, e.pointing_plan_training})
    CHECK(*figure == doctest::Approx(*e.pointing_chance).epsilon(1e-6));
  for (const double layer : e.pointing_attention_by_layer)
    CHECK(layer == doctest::Approx(*e.pointing_chance).epsilon(1e-6));
  CHECK(e.pointing_attention_by_layer.size() == 2);
  CHECK(e.pointing_own_over_other == 0.5);
  for (const Figure& figure : {e.attention_entropy, e.plan_entropy, e.plan_training_entropy})
    CHECK(*figure == doctest::Approx(1).epsilon(1e-6));
  // A logit difference of exactly 0 is neither.
  CHECK(evaluate(indifferent(0, 0, 0), split.source).itm_accuracy_random == 0.0);
}

TEST_CASE("A model that always says the same word is right exactly where that word is wanted") {
  const Split split;
  const Wordpiece& vocabulary = tiny_scenes().vocabulary();
  std::map<std::string, int64_t> occurrences, of_kind;  // of content words and of their kinds
  std::map<std::string, std::string> kind_of;
  int64_t words = 0;
  for (const int64_t s : split.sentences())
    for (const ContentWord& word : *split.dataset.annotation(s)->content_words) {
      const std::string spelling(split.dataset.sentences()[static_cast<size_t>(s)].text.substr(
          static_cast<size_t>(word.begin), static_cast<size_t>(word.end - word.begin)));
      ++words;
      ++of_kind[word.kind];
      ++occurrences[spelling];
      kind_of[spelling] = word.kind;
    }
  const auto whole = std::find_if(occurrences.begin(), occurrences.end(),
                                  [&](const auto& entry) { return vocabulary.encode(entry.first).size() == 1; });
  REQUIRE(whole != occurrences.end());
  const auto& [word, count] = *whole;
  const Evaluation e = evaluate(indifferent(vocabulary.id(word), 5, 0), split.source);
  CHECK(e.content_words == words);
  CHECK(*e.mlm_accuracy_content == doctest::Approx(static_cast<double>(count) / static_cast<double>(words)));
  CHECK(*e.mlm_accuracy_wrong_image == doctest::Approx(*e.mlm_accuracy_content));
  for (const auto& [kind, accuracy] : e.mlm_accuracy_content_by_kind)
    CHECK(accuracy ==
          doctest::Approx(kind == kind_of[word] ? static_cast<double>(count) / static_cast<double>(of_kind[kind]) : 0));
  // One piece of a word is not the word.
  const Encoding triangle = vocabulary.encode("triangle");
  if (triangle.size() > 1)
    CHECK(evaluate(indifferent(triangle.ids[0], 5, 0), split.source).mlm_accuracy_content == 0.0);
}

TEST_CASE("An untrained model is near chance, and an evaluation repeats to the last bit") {
  const Split split;
  const TinyModel tiny(tiny_settings(), DType::f32);
  const Evaluation e = evaluate(tiny.model, split.source);
  // 80 answers: half of them right, with a standard deviation of at most 0.056; four of them.
  CHECK(std::abs(*e.itm_accuracy_random - 0.5) < 0.23);
  CHECK(std::abs(*e.itm_accuracy_hard - 0.5) < 0.23);
  CHECK(*e.mlm_accuracy_content < 0.3);
  CHECK(*e.pointing_attention < 0.5);
  const Evaluation again = evaluate(tiny.model, split.source);
  CHECK(e.itm_accuracy_random == again.itm_accuracy_random);
  CHECK(e.mlm_accuracy_content == again.mlm_accuracy_content);
  CHECK(e.pointing_plan == again.pointing_plan);
  CHECK(e.attention_entropy == again.attention_entropy);
}

TEST_CASE("Limit and group choose the captions; a group that is not there is an error") {
  const Split split;
  const TinyModel tiny(tiny_settings(), DType::f32);
  EvaluationOptions options;
  options.limit = 6;
  options.controls = false;
  const Evaluation few = evaluate(tiny.model, split.source, options);
  CHECK(few.samples == 6);
  CHECK_FALSE(few.mlm_accuracy_wrong_image);
  CHECK_FALSE(few.pointing_plan);
  CHECK_FALSE(few.plan_entropy);
  CHECK(few.pointing_attention);
  options.limit = 0;
  options.group = "one_object";
  const Evaluation one = evaluate(tiny.model, split.source, options);
  CHECK(one.samples > 0);
  CHECK(one.samples < 40);
  CHECK(one.pointed_words == one.samples);
  CHECK_FALSE(one.pointing_own_over_other);  // there is no other
  options.group = "nothing";
  CHECK_THROWS_WITH(evaluate(tiny.model, split.source, options),
                    "evaluation: no caption is of group 'nothing'; the groups are 'one_object', 'two_objects'");
  CHECK(lacking(error_of([&] { evaluate(tiny.model, Split(false).source, options); }),
                {"evaluation of group 'nothing'", "group"}) == "");
}

TEST_CASE("Without annotations there are the figures that need none") {
  const Split split(false);
  const TinyModel tiny(tiny_settings(), DType::f32);
  const Evaluation e = evaluate(tiny.model, split.source);
  CHECK(e.itm_accuracy_random);
  CHECK(e.mlm_accuracy_content);  // of all words
  CHECK(e.content_words > 40 * 3);
  CHECK(e.mlm_accuracy_content_by_kind.empty());
  for (const Figure& figure : {e.itm_accuracy_hard, e.pointing_attention, e.pointing_own_over_other, e.pointing_plan,
                               e.pointing_plan_training, e.pointing_chance, e.plan_entropy, e.attention_entropy})
    CHECK_FALSE(figure);
  CHECK(e.itm_accuracy_hard_by_kind.empty());
}

TEST_CASE("Each caption points with its own annotation, not with that of its image's first caption") {
  const HandMade files;
  const std::string reversed =
      R"({"sentid": 1, "content_words": [{"begin": 2, "end": 6, "kind": "shape", "object": 0}, {"begin": 15, "end": 19, "kind": "shape", "object": 1}],
          "objects": [{"box": [0, 0, 32, 32], "attributes": {"shape": "star"}}, {"box": [0, 0, 16, 16], "attributes": {"shape": "ring"}}]})";
  const Split split = files.open(one_line(kRingStar) + one_line(reversed));
  // 2 x 4 patches: the chances of an indifferent model are 1/8 (ring) and 4/8 (star). With the first caption's boxes
  // for both captions the mean would be the same, so one object of the second caption is left without a word.
  const Evaluation both = evaluate(indifferent(0, 0, 1), split.source);
  CHECK(both.pointed_words == 4);
  CHECK(*both.pointing_chance == doctest::Approx((1.0 / 8 + 4.0 / 8) / 2));
  const std::string star_only =
      R"({"sentid": 1, "content_words": [{"begin": 2, "end": 6, "kind": "shape", "object": 0}],
          "objects": [{"box": [0, 0, 32, 32], "attributes": {"shape": "star"}}]})";
  const Evaluation uneven =
      evaluate(indifferent(0, 0, 1), files.open(one_line(kRingStar) + one_line(star_only)).source);
  CHECK(uneven.pointed_words == 3);
  CHECK(*uneven.pointing_chance == doctest::Approx((1.0 / 8 + 4.0 / 8 + 4.0 / 8) / 3));
}

TEST_CASE("A split of one image: no false one, so no figures of matching and no shuffled captions, and no error") {
  const HandMade files;
  files.directory.write("set.json", R"({"images": [{"filename": "a.png", "imgid": 0, "split": "test",
      "sentences": [{"raw": "a ring above a star", "sentid": 0}]}]})");
  const Split split = files.open(one_line(kRingStar));
  const Evaluation e = evaluate(indifferent(0, 0, 1), split.source);
  CHECK_FALSE(e.itm_accuracy_random);
  CHECK(e.pointing_attention);
  CHECK_FALSE(evaluate_shuffled(indifferent(0, 0, 1), split.source).pointing_attention);
  CHECK_THROWS_WITH(false_images(split.source, {0}), "evaluation: false images need at least two images");
}

TEST_CASE("Shuffled captions are scored on the box of the object with the same number") {
  const Split split;
  const Evaluation e = evaluate_shuffled(indifferent(0, 0, 1), split.source);
  CHECK(e.pointed_words >= 40);
  CHECK(*e.pointing_attention == doctest::Approx(*e.pointing_chance).epsilon(1e-6));
  CHECK_FALSE(e.itm_accuracy_random);
  CHECK_FALSE(e.mlm_accuracy_content);
}

}  // namespace tessera::evaluation_test

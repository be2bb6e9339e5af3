#include "vilt/tasks/training_notes.h"

#include <doctest/doctest.h>

#include "tests/vilt/tiny_model.h"

namespace tessera::training_notes_test {
namespace {

using Strings = std::vector<std::string>;

// Pictures with the captions given, of which none is opened.
std::string json_of(const std::vector<Strings>& captions) {
  std::string out;
  int sentence = 0;
  for (size_t i = 0; i < captions.size(); ++i) {
    std::string sentences;
    for (const std::string& caption : captions[i])
      sentences += text(sentences.empty() ? "" : ",", R"({"raw": ")", caption, R"(", "sentid": )", sentence++, "}");
    out += text(i ? "," : "", R"({"filename": ")", i, R"(.jpg", "imgid": )", i, R"(, "split": "train", "sentences": [)",
                sentences, "]}");
  }
  return text(R"({"images": [)", out, "]}");
}

Strings notes_of(const std::vector<Strings>& captions, const Settings& settings) {
  const Dataset dataset = Dataset::parse(json_of(captions), "", "set.json", "", {{}, {}, false});
  const SampleSource source(dataset, tests::tiny_scenes().vocabulary(), sample_options(settings));
  return training_notes(settings, source);
}

Settings settings_for(int64_t batch) {
  Settings settings;
  settings.train.batch_size = batch;
  return settings;
}

std::string words(int count) {
  std::string out = "a";
  for (int i = 1; i < count; ++i) out += " a";
  return out;
}

}  // namespace

TEST_CASE("Notes: captions that are cut are counted, those that just fit are not") {
  Settings settings = settings_for(2);
  CHECK(notes_of({{words(38)}, {"a"}}, settings) == Strings{});
  CHECK(notes_of({{words(39), words(38)}, {words(120)}}, settings) ==
        Strings{"2 of 3 captions are longer than 40 tokens and are cut (model.max_position_embeddings)"});
  settings.model.max_position_embeddings = 2;
  CHECK(notes_of({{"a"}, {words(2)}}, settings) ==
        Strings{"2 of 2 captions are longer than 2 tokens and are cut (model.max_position_embeddings)"});
}

TEST_CASE("Notes: of very many captions some are looked at") {
  std::vector<Strings> captions(2);
  for (int i = 0; i < 20001; ++i) captions[1].push_back(text(words(39), " ", i));
  captions[0] = {"a"};
  const Strings notes = notes_of(captions, settings_for(2));
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].starts_with("19999 of the 20000 captions looked at are longer than 40 tokens"));
}

TEST_CASE("Notes: one image, a batch of more than all captions, settings without effect") {
  CHECK(notes_of({{"a", "a a"}}, settings_for(3)) ==
        Strings{"one image: there is no false one, every pair is true, and matching cannot be learnt",
                "a batch of 3 (train.batch_size) is more than the 2 captions: a step has some of them more than once"});
  Settings settings = settings_for(1);
  settings.objectives.itm_weight = 0;
  settings.objectives.wpa_weight = 0;
  settings.objectives.false_images = "batch";
  settings.objectives.ipot_beta = 0.25;
  settings.train.curriculum_group = "easy";
  CHECK(notes_of({{"a"}}, settings) ==
        Strings{"setting 'objectives.false_images' has no effect: objectives.itm_weight is 0",
                "setting 'objectives.ipot_beta' has no effect: objectives.wpa_weight is 0",
                "setting 'train.curriculum_group' has no effect: train.curriculum is 0"});
}

}  // namespace tessera::training_notes_test

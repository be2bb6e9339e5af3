#include "data/sets/dataset.h"

#include "data/sets/layouts.h"
#include "tests/fuzz/targets.h"

namespace tessera::fuzz {
namespace {

constexpr std::string_view kCaptions = R"({"images": [
  {"imgid": 1, "filename": "a.jpg", "split": "train", "sentences": [
    {"sentid": 1, "raw": "a red ring left of a blue square"}, {"sentid": 2, "raw": "a rote Fläche"}]},
  {"imgid": 2, "filename": "b.jpg", "split": "val", "sentences": [{"sentid": 3, "raw": "猫"}]}]})";

// Indices point at what there is, and every sentence belongs to its image.
void check_dataset(const Dataset& dataset) {
  const auto& images = dataset.images();
  const auto& sentences = dataset.sentences();
  int64_t next = 0;
  for (size_t i = 0; i < images.size(); ++i) {
    ensure(dataset.image_index(images[i].id) == static_cast<int64_t>(i), "image ", i, " is not found");
    ensure(images[i].first_sentence == next && images[i].sentence_count >= 1, "image ", i, " has sentences from ",
           images[i].first_sentence, ", expected ", next);
    next += images[i].sentence_count;
    ensure(next <= static_cast<int64_t>(sentences.size()), "image ", i, " has sentences that are not there");
    for (int64_t s = images[i].first_sentence; s < next; ++s)
      ensure(sentences[static_cast<size_t>(s)].image == static_cast<int64_t>(i), "sentence ", s, " has another image");
  }
  ensure(next == static_cast<int64_t>(sentences.size()), "sentences without an image");
  for (size_t s = 0; s < sentences.size(); ++s) {
    ensure(!sentences[s].text.empty(), "sentence ", s, " is empty");
    const Annotation* annotation = dataset.annotation(static_cast<int64_t>(s));
    if (!annotation) continue;
    ensure(annotation->sentence_id == sentences[s].id, "sentence ", s, " has another's annotation");
    if (annotation->sibling) ensure(dataset.sibling(static_cast<int64_t>(s)) >= 0, "sentence ", s, " has no sibling");
    if (annotation->content_words)
      for (const ContentWord& word : *annotation->content_words)
        ensure(word.begin < word.end && word.end <= static_cast<int64_t>(sentences[s].text.size()), "a word outside");
    if (annotation->objects)
      ensure(caption_true_of(*annotation, *annotation), "a caption that is not true of its picture");
  }
}

}  // namespace

void dataset(Bytes bytes) {
  std::vector<std::string> kinds = {"auto"};
  for (const CaptionLayout& layout : caption_layouts()) kinds.emplace_back(layout.kind);
  for (const std::string& kind : kinds)
    for (const bool check_files : {false, true}) {
      Dataset dataset;
      DatasetOptions options;
      options.check_files = check_files;
      options.max_missing = check_files ? 0 : 1000;
      options.kind = kind;
      if (check_files) options.splits = {"train"};
      if (accepted([&] { dataset = Dataset::parse(as_text(bytes), "", "fuzz", "/", options); })) check_dataset(dataset);
    }
}

void annotations(Bytes bytes) {
  Dataset dataset;
  DatasetOptions options;
  options.annotations = "fuzz";
  options.check_files = false;
  if (accepted([&] { dataset = Dataset::parse(kCaptions, as_text(bytes), "captions", "/", options); }))
    check_dataset(dataset);
}

}  // namespace tessera::fuzz

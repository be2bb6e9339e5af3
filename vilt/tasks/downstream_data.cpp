#include "vilt/tasks/downstream_data.h"

#include <unordered_map>

#include "data/sets/fingerprint.h"

namespace tessera {
namespace {

// Pictures by the order in which they are named.
class PictureList {
 public:
  explicit PictureList(std::vector<std::string>& pictures) : pictures_(pictures) {}
  int64_t index(const std::string& path) {
    const auto [place, is_new] = places_.try_emplace(path, static_cast<int64_t>(pictures_.size()));
    if (is_new) pictures_.push_back(path);
    return place->second;
  }

 private:
  std::vector<std::string>& pictures_;
  std::unordered_map<std::string, int64_t> places_;
};

}  // namespace

DownstreamSet questions_set(const std::vector<VqaQuestion>& questions, const AnswerTable& table, Unanswerable rule) {
  DownstreamSet out;
  PictureList pictures(out.pictures);
  for (const VqaQuestion& question : questions) {
    SoftTargets targets = soft_targets(table, question);
    if (targets.empty()) {
      ++out.left_out;
      if (rule == Unanswerable::leave_out) continue;
    }
    out.samples.push_back(
        {question.id, question.question, {pictures.index(question.image), -1}, std::move(targets), 0});
  }
  return out;
}

DownstreamSet statements_set(const std::vector<Nlvr2Example>& examples) {
  DownstreamSet out;
  PictureList pictures(out.pictures);
  for (const Nlvr2Example& example : examples) {
    const int64_t left = pictures.index(example.images[0]), right = pictures.index(example.images[1]);
    const auto place = static_cast<int64_t>(out.samples.size());
    out.samples.push_back({place, example.sentence, {left, right}, {}, example.label});
  }
  return out;
}

DownstreamSet captions_set(const Dataset& dataset) {
  DownstreamSet out;
  for (const DatasetImage& image : dataset.images()) out.pictures.emplace_back(image.file);
  for (size_t s = 0; s < dataset.sentences().size(); ++s) {
    const DatasetSentence& sentence = dataset.sentences()[s];
    const auto index = static_cast<int64_t>(s);
    int64_t sibling = -1;
    if (const Annotation* annotation = dataset.annotation(index); annotation && annotation->sibling) {
      const DatasetImage& image = dataset.images()[static_cast<size_t>(dataset.sibling(index))];
      if (image.sentence_count > 0) sibling = image.first_sentence;
    }
    out.samples.push_back({sentence.id, std::string(sentence.text), {sentence.image, -1}, {}, 0, sibling});
  }
  return out;
}

std::map<std::string, std::string> fingerprint(const DownstreamSet& set, const std::string& image_folder) {
  FingerprintHash samples, files;
  for (const DownstreamSample& sample : set.samples) {
    for (const int64_t image : sample.images) samples.add(static_cast<uint64_t>(image));
    samples.add(sample.text);
    samples.add(static_cast<uint64_t>(sample.label));
    for (const SoftTarget& target : sample.targets) {
      samples.add(static_cast<uint64_t>(target.label));
      samples.add(static_cast<uint64_t>(target.score * 1000));
    }
  }
  for (const std::string& picture : set.pictures) files.add_file(picture, image_folder);
  return {{"samples", std::to_string(set.samples.size())},
          {"images", std::to_string(set.pictures.size())},
          {"texts and what is right", samples.hexadecimal()},
          {"image files", files.hexadecimal()}};
}

DownstreamSource::DownstreamSource(DownstreamSet given, const Wordpiece& words, const SampleOptions& how)
    : set(std::move(given)),
      vocabulary(words),
      options(how),
      pictures([this](int64_t image) { return std::filesystem::path(set.pictures[static_cast<size_t>(image)]); }, how) {
}

std::vector<int64_t> DownstreamSource::text(int64_t sample) const {
  const Encoding pieces = vocabulary.encode(set.samples[static_cast<size_t>(sample)].text);
  return vocabulary.sequence(pieces, static_cast<size_t>(options.max_length)).ids;
}

}  // namespace tessera

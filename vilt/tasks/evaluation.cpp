#include "vilt/tasks/evaluation_parts.h"

#include <algorithm>
#include <set>

#include "data/text/masking.h"
#include "tensor/philox.h"

namespace tessera {
namespace {

[[noreturn]] void fail_without_candidates(const Dataset& dataset, const std::string& group) {
  check(!dataset.sentences().empty(), "evaluation: the split has no captions");
  std::set<std::string> groups;
  for (size_t s = 0; s < dataset.sentences().size(); ++s)
    groups.insert("'" + *dataset.annotation(static_cast<int64_t>(s))->group + "'");
  std::string list;
  for (const std::string& name : groups) list += (list.empty() ? "" : ", ") + name;
  fail("evaluation: no caption is of group '", group, "'; the groups are ", list);
}

std::vector<int64_t> chosen_sentences(const SampleSource& source, const EvaluationOptions& options) {
  const Dataset& dataset = source.dataset();
  std::vector<int64_t> candidates;
  if (!options.group.empty())
    dataset.require(AnnotationField::group, text("evaluation of group '", options.group, "'"));
  for (int64_t s = 0; s < static_cast<int64_t>(dataset.sentences().size()); ++s)
    if (options.group.empty() || *dataset.annotation(s)->group == options.group) candidates.push_back(s);
  if (candidates.empty()) fail_without_candidates(dataset, options.group);
  const auto all = static_cast<int64_t>(candidates.size());
  const int64_t count = options.limit > 0 ? std::min(options.limit, all) : all;
  std::vector<int64_t> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(candidates[static_cast<size_t>(i * all / count)]);
  if (!options.usable) return out;
  std::vector<int64_t> images;
  for (const int64_t s : out) images.push_back(source.image_of(s));
  options.usable->look_at(images);
  std::erase_if(out, [&](int64_t s) { return !options.usable->usable(source.image_of(s)); });
  check(!out.empty(), "evaluation: none of the captions has a picture that can be decoded");
  return out;
}

std::vector<double> scores(const ViltWithHeads& model, const SampleSource& source,
                           const std::vector<int64_t>& sentences, const std::vector<int64_t>& images,
                           const EvaluationOptions& options) {
  std::vector<double> out;
  for (size_t first = 0; first < sentences.size(); first += kSlice) {
    ImagePool pool(source);
    std::vector<Question> pairs;
    for (size_t i = first; i < std::min(first + kSlice, sentences.size()); ++i)
      pairs.push_back({source.text(sentences[i]).ids, {pool.get(images[i])}});
    const std::vector<double> part = match_scores(model, pairs, options.context);
    out.insert(out.end(), part.begin(), part.end());
    tell(options, "matching", out.size(), sentences.size());
  }
  return out;
}

double balanced_accuracy(const std::vector<double>& positive, const std::vector<double>& negative,
                         const std::vector<size_t>& which) {
  double hits = 0;
  for (const size_t i : which) hits += (positive[i] > 0) + (negative[i] < 0);
  return hits / (2.0 * static_cast<double>(which.size()));
}

void evaluate_matching(const ViltWithHeads& model, const SampleSource& source, const std::vector<int64_t>& sentences,
                       const EvaluationOptions& options, Evaluation& out) {
  const Dataset& dataset = source.dataset();
  std::vector<int64_t> own;
  for (const int64_t s : sentences) own.push_back(source.image_of(s));
  if (dataset.images().size() < 2) return;
  const std::vector<double> positive = scores(model, source, sentences, own, options);
  const std::vector<double> random =
      scores(model, source, sentences, false_images(source, sentences, options.usable), options);
  std::vector<size_t> all(sentences.size()), with_sibling;
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  out.itm_accuracy_random = balanced_accuracy(positive, random, all);

  std::vector<int64_t> siblings(sentences.size());
  std::map<std::string, std::vector<size_t>> by_kind;
  for (size_t i = 0; i < sentences.size(); ++i) {
    const Annotation* annotation = dataset.annotation(sentences[i]);
    siblings[i] = own[i];
    if (!annotation || !annotation->sibling) continue;
    const int64_t sibling = dataset.sibling(sentences[i]);
    if (options.usable && !options.usable->usable(sibling)) continue;
    siblings[i] = sibling;
    with_sibling.push_back(i);
    if (annotation->difference) by_kind[*annotation->difference].push_back(i);
  }
  if (with_sibling.empty()) return;
  const std::vector<double> hard = scores(model, source, sentences, siblings, options);
  out.itm_accuracy_hard = balanced_accuracy(positive, hard, with_sibling);
  for (const auto& [kind, which] : by_kind)
    out.itm_accuracy_hard_by_kind[kind] = balanced_accuracy(positive, hard, which);
}

struct MaskedWord {
  int64_t sentence = 0;
  int32_t word = 0;
  std::string kind;
};

// Every content word; without annotations every word.
std::vector<MaskedWord> words_to_mask(const SampleSource& source, const std::vector<int64_t>& sentences) {
  std::vector<MaskedWord> out;
  for (const int64_t s : sentences) {
    const TextSample text = source.text(s);
    const Annotation* annotation = source.dataset().annotation(s);
    if (annotation && annotation->content_words) {
      const Encoding pieces = source.vocabulary().encode(source.dataset().sentences()[static_cast<size_t>(s)].text);
      for (const ContentWord& span : *annotation->content_words)
        for (const int32_t word : words_in_span(pieces, static_cast<size_t>(span.begin), static_cast<size_t>(span.end)))
          if (std::find(text.words.begin(), text.words.end(), word) != text.words.end())
            out.push_back({s, word, span.kind});
      continue;
    }
    for (size_t t = 1; t + 1 < text.words.size(); ++t)
      if (text.words[t] != text.words[t - 1]) out.push_back({s, text.words[t], ""});
  }
  return out;
}

// The picture of another record for each word; empty: there is none that can be decoded.
std::vector<int64_t> wrong_images(const SampleSource& source, const std::vector<int64_t>& own,
                                  const EvaluationOptions& options) {
  // 37 records on: another pair of siblings, whatever the order in the file.
  constexpr int64_t kShift = 37;
  const auto all = static_cast<int64_t>(source.dataset().images().size());
  if (all <= kShift) return {};
  std::vector<int64_t> out;
  for (const int64_t image : own) out.push_back((image + kShift) % all);
  if (!options.usable) return out;
  options.usable->look_at(out);
  for (size_t i = 0; i < out.size(); ++i)
    while (out[i] == own[i] || !options.usable->usable(out[i])) {
      out[i] = (out[i] + 1) % all;
      if (out[i] == (own[i] + kShift) % all) return {};
    }
  return out;
}

// `images`: what each word's caption is shown with.
std::vector<bool> masked_word_hits(const ViltWithHeads& model, const SampleSource& source,
                                   const std::vector<MaskedWord>& words, const std::vector<int64_t>& images,
                                   const EvaluationOptions& options) {
  std::vector<bool> hits;
  for (size_t first = 0; first < words.size(); first += kSlice) {
    ImagePool pool(source);
    std::vector<Question> pairs;
    std::vector<std::vector<int64_t>> positions, wanted;
    for (size_t i = first; i < std::min(first + kSlice, words.size()); ++i) {
      const TextSample text = source.text(words[i].sentence);
      const Masking masking = mask_one_word(text.ids, text.words, words[i].word, source.vocabulary());
      pairs.push_back({masking.ids, {pool.get(images[i])}});
      positions.emplace_back();
      wanted.emplace_back();
      for (size_t t = 0; t < masking.labels.size(); ++t) {
        if (masking.labels[t] == kIgnoreLabel) continue;
        positions.back().push_back(static_cast<int64_t>(t));
        wanted.back().push_back(masking.labels[t]);
      }
    }
    const auto predicted = predict_words(model, pairs, positions, 1, options.context);
    for (size_t i = 0; i < pairs.size(); ++i) {
      bool hit = true;
      for (size_t k = 0; k < wanted[i].size(); ++k) hit &= predicted[i][k][0].id == wanted[i][k];
      hits.push_back(hit);
    }
    tell(options, "masked words", hits.size(), words.size());
  }
  return hits;
}

int64_t left_out(const EvaluationOptions& options) { return options.usable ? options.usable->left_out() : 0; }

Figure share(const std::vector<bool>& hits) {
  Mean mean;
  for (const bool hit : hits) mean.add(hit);
  return mean.value();
}

void evaluate_words(const ViltWithHeads& model, const SampleSource& source, const std::vector<int64_t>& sentences,
                    const EvaluationOptions& options, Evaluation& out) {
  const std::vector<MaskedWord> words = words_to_mask(source, sentences);
  if (words.empty()) return;
  out.content_words = static_cast<int64_t>(words.size());
  std::vector<int64_t> own;
  for (const MaskedWord& word : words) own.push_back(source.image_of(word.sentence));
  const std::vector<bool> hits = masked_word_hits(model, source, words, own, options);
  out.mlm_accuracy_content = share(hits);
  std::map<std::string, Mean> by_kind;
  for (size_t i = 0; i < words.size(); ++i)
    if (!words[i].kind.empty()) by_kind[words[i].kind].add(hits[i]);
  for (const auto& [kind, mean] : by_kind) out.mlm_accuracy_content_by_kind[kind] = *mean.value();
  if (!options.controls) return;
  if (const std::vector<int64_t> wrong = wrong_images(source, own, options); !wrong.empty())
    out.mlm_accuracy_wrong_image = share(masked_word_hits(model, source, words, wrong, options));
}

}  // namespace

const Annotation* first_annotation(const Dataset& dataset, int64_t image) {
  const DatasetImage& entry = dataset.images()[static_cast<size_t>(image)];
  return entry.sentence_count > 0 ? dataset.annotation(entry.first_sentence) : nullptr;
}

std::vector<int64_t> false_images(const SampleSource& source, const std::vector<int64_t>& sentences,
                                  UsablePictures* usable) {
  const Dataset& dataset = source.dataset();
  check(dataset.images().size() >= 2, "evaluation: false images need at least two images");
  Random random(3);
  const auto draw = [&](int64_t s) {
    const Annotation* own = dataset.annotation(s);
    const int64_t sibling = own && own->sibling ? dataset.sibling(s) : -1;
    int64_t image = source.image_of(s);
    // After many refusals any other image will do: the data set may have nothing else.
    for (int attempt = 0; attempt < 1000; ++attempt) {
      image = static_cast<int64_t>(random.below(dataset.images().size()));
      if (image == source.image_of(s)) continue;
      if (attempt > 900) break;
      const Annotation* other = first_annotation(dataset, image);
      const bool may_be_true = own && other && own->objects && other->objects && caption_true_of(*own, *other);
      if (image != sibling && !may_be_true) break;
    }
    return image;
  };
  std::vector<int64_t> out;
  for (const int64_t s : sentences) out.push_back(draw(s));
  if (!usable) return out;
  usable->look_at(out);
  for (size_t i = 0; i < out.size(); ++i)
    for (int attempt = 0; !usable->usable(out[i]); ++attempt) {
      check(attempt < 1000, "evaluation: false images need at least two images that can be decoded");
      out[i] = draw(sentences[i]);
    }
  return out;
}

Evaluation evaluate(const ViltWithHeads& model, const SampleSource& source, const EvaluationOptions& options) {
  Evaluation out;
  const std::vector<int64_t> sentences = chosen_sentences(source, options);
  out.samples = static_cast<int64_t>(sentences.size());
  std::vector<int64_t> own;
  for (const int64_t s : sentences) own.push_back(source.image_of(s));
  evaluate_matching(model, source, sentences, options, out);
  evaluate_words(model, source, sentences, options, out);
  evaluate_pointing(model, source, sentences, own, options, out);
  out.pictures_left_out = left_out(options);
  return out;
}

Evaluation evaluate_shuffled(const ViltWithHeads& model, const SampleSource& source, const EvaluationOptions& options) {
  Evaluation out;
  const std::vector<int64_t> sentences = chosen_sentences(source, options);
  out.samples = static_cast<int64_t>(sentences.size());
  if (source.dataset().images().size() < 2) return out;
  evaluate_pointing(model, source, sentences, false_images(source, sentences, options.usable), options, out);
  out.pictures_left_out = left_out(options);
  return out;
}

}  // namespace tessera

#include "vilt/tasks/evaluation_parts.h"

#include <algorithm>

#include "data/text/masking.h"

namespace tessera {
namespace {

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

}  // namespace

Evaluation evaluate(const ViltWithHeads& model, const SampleSource& source, const EvaluationOptions& options) {
  Evaluation out;
  const std::vector<int64_t> sentences = chosen_captions(source, {options.limit, options.group, options.usable});
  out.samples = static_cast<int64_t>(sentences.size());
  std::vector<int64_t> own;
  for (const int64_t s : sentences) own.push_back(source.image_of(s));
  const MatchScores matches = [&](const std::vector<int64_t>& captions, const std::vector<int64_t>& images) {
    return scores(model, source, captions, images, options);
  };
  const MatchingFigures matching = evaluate_matching(source, sentences, matches, options.usable).balanced;
  out.itm_accuracy_random = matching.random;
  out.itm_accuracy_hard = matching.sibling;
  out.itm_accuracy_hard_by_kind = matching.sibling_by_kind;
  const WordHits hits = [&](const std::vector<MaskedWord>& words, const std::vector<int64_t>& images) {
    return masked_word_hits(model, source, words, images, options);
  };
  const WordFigures words = evaluate_words(source, sentences, hits, options.controls, options.usable);
  out.content_words = words.words;
  out.mlm_accuracy_content = words.right;
  out.mlm_accuracy_content_by_kind = words.right_by_kind;
  out.mlm_accuracy_wrong_image = words.wrong_image;
  evaluate_pointing(model, source, sentences, own, options, out);
  out.pictures_left_out = left_out(options);
  return out;
}

Evaluation evaluate_shuffled(const ViltWithHeads& model, const SampleSource& source, const EvaluationOptions& options) {
  Evaluation out;
  const std::vector<int64_t> sentences = chosen_captions(source, {options.limit, options.group, options.usable});
  out.samples = static_cast<int64_t>(sentences.size());
  if (source.dataset().images().size() < 2) return out;
  evaluate_pointing(model, source, sentences, false_images(source, sentences, options.usable), options, out);
  out.pictures_left_out = left_out(options);
  return out;
}

}  // namespace tessera

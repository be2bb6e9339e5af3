#include "train/evaluation/caption_evaluation.h"

#include <algorithm>
#include <set>

#include "data/tasks/retrieval_metrics.h"
#include "data/text/masking.h"
#include "tensor/philox.h"
#include "train/evaluation/annotated_recalls.h"
#include "train/evaluation/spread.h"

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

// Shares of the captions `which`, by their scores with the true and with the false picture.
double balanced_accuracy(const std::vector<double>& own, const std::vector<double>& other,
                         const std::vector<size_t>& which) {
  double hits = 0;
  for (const size_t i : which) hits += (own[i] > 0) + (other[i] < 0);
  return hits / (2.0 * static_cast<double>(which.size()));
}

double ranked_accuracy(const std::vector<double>& own, const std::vector<double>& other,
                       const std::vector<size_t>& which) {
  double hits = 0;
  for (const size_t i : which) hits += own[i] > other[i] ? 1 : own[i] == other[i] ? 0.5 : 0;
  return hits / static_cast<double>(which.size());
}

// The captions with a sibling that can be shown, and those of each kind of difference.
struct Siblings {
  std::vector<int64_t> images;  // of every caption; its own where there is none
  std::vector<size_t> all;
  std::map<std::string, std::vector<size_t>> by_kind;
};

Siblings siblings_of(const SampleSource& source, const std::vector<int64_t>& captions, const std::vector<int64_t>& own,
                     UsablePictures* usable) {
  Siblings out{own, {}, {}};
  for (size_t i = 0; i < captions.size(); ++i) {
    const Annotation* annotation = source.dataset().annotation(captions[i]);
    if (!annotation || !annotation->sibling) continue;
    const int64_t sibling = source.dataset().sibling(captions[i]);
    if (usable && !usable->usable(sibling)) continue;
    out.images[i] = sibling;
    out.all.push_back(i);
    if (annotation->difference) out.by_kind[*annotation->difference].push_back(i);
  }
  return out;
}

// Every content word; without annotations every word.
std::vector<MaskedWord> words_to_mask(const SampleSource& source, const std::vector<int64_t>& captions) {
  std::vector<MaskedWord> out;
  for (const int64_t s : captions) {
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
std::vector<int64_t> wrong_images(const SampleSource& source, const std::vector<int64_t>& own, UsablePictures* usable) {
  // 37 records on: another pair of siblings, whatever the order in the file.
  constexpr int64_t kShift = 37;
  const auto all = static_cast<int64_t>(source.dataset().images().size());
  if (all <= kShift) return {};
  std::vector<int64_t> out;
  for (const int64_t image : own) out.push_back((image + kShift) % all);
  if (!usable) return out;
  usable->look_at(out);
  for (size_t i = 0; i < out.size(); ++i)
    while (out[i] == own[i] || !usable->usable(out[i])) {
      out[i] = (out[i] + 1) % all;
      if (out[i] == (own[i] + kShift) % all) return {};
    }
  return out;
}

Figure share(const std::vector<bool>& hits) {
  if (hits.empty()) return std::nullopt;
  return static_cast<double>(std::count(hits.begin(), hits.end(), true)) / static_cast<double>(hits.size());
}

void add(NamedFigures& out, const std::string& name, const Figure& figure) {
  if (figure) out.emplace_back(name, *figure);
}

void add(NamedFigures& out, const MatchingFigures& figures, const std::string& ending) {
  add(out, "matching random" + ending, figures.random);
  add(out, "matching sibling" + ending, figures.sibling);
  for (const auto& [kind, value] : figures.sibling_by_kind)
    out.emplace_back("matching sibling/" + kind + ending, value);
}

void add_recalls(const DirectionMetrics& direction, const std::string& name, NamedFigures& out) {
  for (size_t k = 0; k < kRecallAt.size(); ++k) out.emplace_back(text(name, " R@", kRecallAt[k]), direction.recall(k));
  if (direction.median_rank) out.emplace_back(name + " median rank", static_cast<double>(*direction.median_rank));
  if (direction.mean_rank) out.emplace_back(name + " mean rank", *direction.mean_rank);
}

void add_retrieval(const SampleSource& source, const CaptionModel& model, const CaptionEvaluation& options,
                   NamedFigures& out) {
  std::vector<int64_t> images = spread(source.images(), std::max<int64_t>(options.retrieval_pictures, 0));
  UsablePictures* usable = options.choice.usable;
  if (usable) {
    usable->look_at(images);
    std::erase_if(images, [&](int64_t image) { return !usable->usable(image); });
  }
  std::map<int64_t, int64_t> place;
  for (size_t i = 0; i < images.size(); ++i) place[images[i]] = static_cast<int64_t>(i);
  std::vector<int64_t> captions, image_of_text;
  for (int64_t s = 0; s < source.captions(); ++s)
    if (const auto found = place.find(source.image_of(s)); found != place.end()) {
      captions.push_back(s);
      image_of_text.push_back(found->second);
    }
  std::vector<double> scores;
  if (model.all) {
    scores = model.all(images, captions);
  } else {
    for (size_t i = 0; i < images.size(); ++i) {
      const std::vector<double> row = model.scores(captions, std::vector<int64_t>(captions.size(), images[i]));
      scores.insert(scores.end(), row.begin(), row.end());
      if (options.tell) options.tell("retrieval", i + 1, images.size());
    }
  }
  const ScoreRow row = [&](int64_t image, std::span<double> to) {
    std::copy_n(scores.begin() + image * std::ssize(captions), captions.size(), to.begin());
  };
  const RetrievalMetrics metrics = retrieval_metrics(retrieval_standings(std::ssize(images), image_of_text, row));
  out.emplace_back("images", static_cast<double>(images.size()));
  out.emplace_back("texts", static_cast<double>(captions.size()));
  add_recalls(metrics.text_retrieval, "text", out);
  add_recalls(metrics.image_retrieval, "image", out);
  add_annotated_recalls(source.dataset(), source, images, captions, out);
}

}  // namespace

std::vector<int64_t> chosen_captions(const SampleSource& source, const CaptionChoice& choice) {
  const Dataset& dataset = source.dataset();
  std::vector<int64_t> candidates;
  if (!choice.group.empty()) dataset.require(AnnotationField::group, text("evaluation of group '", choice.group, "'"));
  for (int64_t s = 0; s < static_cast<int64_t>(dataset.sentences().size()); ++s)
    if (choice.group.empty() || *dataset.annotation(s)->group == choice.group) candidates.push_back(s);
  if (candidates.empty()) fail_without_candidates(dataset, choice.group);
  const auto all = static_cast<int64_t>(candidates.size());
  const int64_t count = choice.limit > 0 ? std::min(choice.limit, all) : all;
  std::vector<int64_t> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(candidates[static_cast<size_t>(i * all / count)]);
  if (!choice.usable) return out;
  std::vector<int64_t> images;
  for (const int64_t s : out) images.push_back(source.image_of(s));
  choice.usable->look_at(images);
  std::erase_if(out, [&](int64_t s) { return !choice.usable->usable(source.image_of(s)); });
  check(!out.empty(), "evaluation: none of the captions has a picture that can be decoded");
  return out;
}

const Annotation* first_annotation(const Dataset& dataset, int64_t image) {
  const DatasetImage& entry = dataset.images()[static_cast<size_t>(image)];
  return entry.sentence_count > 0 ? dataset.annotation(entry.first_sentence) : nullptr;
}

std::vector<int64_t> false_images(const SampleSource& source, const std::vector<int64_t>& captions,
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
  for (const int64_t s : captions) out.push_back(draw(s));
  if (!usable) return out;
  usable->look_at(out);
  for (size_t i = 0; i < out.size(); ++i)
    for (int attempt = 0; !usable->usable(out[i]); ++attempt) {
      check(attempt < 1000, "evaluation: false images need at least two images that can be decoded");
      out[i] = draw(captions[i]);
    }
  return out;
}

Matching evaluate_matching(const SampleSource& source, const std::vector<int64_t>& captions, const MatchScores& scores,
                           UsablePictures* usable) {
  Matching out;
  if (source.dataset().images().size() < 2) return out;
  std::vector<int64_t> own;
  for (const int64_t s : captions) own.push_back(source.image_of(s));
  const std::vector<double> positive = scores(captions, own);
  const std::vector<double> random = scores(captions, false_images(source, captions, usable));
  std::vector<size_t> all(captions.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  out.balanced.random = balanced_accuracy(positive, random, all);
  out.ranked.random = ranked_accuracy(positive, random, all);
  const Siblings siblings = siblings_of(source, captions, own, usable);
  if (siblings.all.empty()) return out;
  const std::vector<double> hard = scores(captions, siblings.images);
  out.balanced.sibling = balanced_accuracy(positive, hard, siblings.all);
  out.ranked.sibling = ranked_accuracy(positive, hard, siblings.all);
  for (const auto& [kind, which] : siblings.by_kind) {
    out.balanced.sibling_by_kind[kind] = balanced_accuracy(positive, hard, which);
    out.ranked.sibling_by_kind[kind] = ranked_accuracy(positive, hard, which);
  }
  return out;
}

WordFigures evaluate_words(const SampleSource& source, const std::vector<int64_t>& captions, const WordHits& hits,
                           bool controls, UsablePictures* usable) {
  WordFigures out;
  const std::vector<MaskedWord> words = words_to_mask(source, captions);
  if (words.empty()) return out;
  out.words = static_cast<int64_t>(words.size());
  std::vector<int64_t> own;
  for (const MaskedWord& word : words) own.push_back(source.image_of(word.sentence));
  const std::vector<bool> right = hits(words, own);
  out.right = share(right);
  std::map<std::string, std::vector<bool>> by_kind;
  for (size_t i = 0; i < words.size(); ++i)
    if (!words[i].kind.empty()) by_kind[words[i].kind].push_back(right[i]);
  for (const auto& [kind, of_kind] : by_kind) out.right_by_kind[kind] = *share(of_kind);
  if (!controls) return out;
  if (const std::vector<int64_t> wrong = wrong_images(source, own, usable); !wrong.empty())
    out.wrong_image = share(hits(words, wrong));
  return out;
}

NamedFigures evaluate_captions(const SampleSource& source, const CaptionModel& model,
                               const CaptionEvaluation& options) {
  NamedFigures out;
  const std::vector<int64_t> captions = chosen_captions(source, options.choice);
  out.emplace_back("captions", static_cast<double>(captions.size()));
  const Matching matching = evaluate_matching(source, captions, model.scores, options.choice.usable);
  if (model.threshold) add(out, matching.balanced, "");
  add(out, matching.ranked, " (ranked)");
  if (model.words) {
    const WordFigures words = evaluate_words(source, captions, model.words, options.controls, options.choice.usable);
    out.emplace_back("words", static_cast<double>(words.words));
    add(out, "masked words", words.right);
    for (const auto& [kind, value] : words.right_by_kind) out.emplace_back("masked words/" + kind, value);
    add(out, "masked words, other picture", words.wrong_image);
  }
  if (options.retrieval_pictures != 0) add_retrieval(source, model, options, out);
  const int64_t left_out = options.choice.usable ? options.choice.usable->left_out() : 0;
  if (left_out > 0) out.emplace_back(kPicturesLeftOut, static_cast<double>(left_out));
  return out;
}

}  // namespace tessera

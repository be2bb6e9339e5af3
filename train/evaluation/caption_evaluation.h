// What a model knows of captions and pictures, whichever it is: the same captions with the same false pictures, the
// same masked words and the same candidates for every system, so that figures compare.
//
//   matching random   every caption with its picture and with a false one: drawn with a fixed seed, never the sibling,
//                     nor, where objects are annotated, a picture of which the caption may be true
//   matching sibling  the same with the annotated sibling as the false one; also by kind of difference
//   masked words      every content word masked alone; counts when all its pieces are predicted
//
// Captions whose picture cannot be decoded are in none of the figures; such a picture is no false one either, and as a
// sibling it is passed over.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/samples.h"
#include "data/usable_pictures.h"
#include "train/evaluation/run_facts.h"

namespace tessera {

using Figure = std::optional<double>;

// Now and then told how many of a part's questions are answered.
using EvaluationTell = std::function<void(const char* part, size_t done, size_t of)>;

struct CaptionChoice {
  int64_t limit = 0;                 // captions, evenly spread; 0: all
  std::string group;                 // only captions annotated with this group; empty: all. None is an error
  UsablePictures* usable = nullptr;  // of the source's pictures; null: one that cannot be decoded is an error
};
std::vector<int64_t> chosen_captions(const SampleSource& source, const CaptionChoice& choice);

// A false picture for every caption, by the rule above.
std::vector<int64_t> false_images(const SampleSource& source, const std::vector<int64_t>& captions,
                                  UsablePictures* usable = nullptr);
// The annotation of a picture's first caption, or null.
const Annotation* first_annotation(const Dataset& dataset, int64_t image);

// Scores of captions[i] with images[i]: the higher, the more they belong together.
using MatchScores =
    std::function<std::vector<double>(const std::vector<int64_t>& captions, const std::vector<int64_t>& images)>;

// Shares of right decisions. Balanced: of both the true and the false pairs, with a threshold of 0, which is a score's
// own where it is a difference of logits. Ranked: the true picture has the higher score than the false one; equal
// scores are half right. A similarity has the second alone.
struct MatchingFigures {
  Figure random, sibling;
  std::map<std::string, double> sibling_by_kind;
};
struct Matching {
  MatchingFigures balanced, ranked;
};
Matching evaluate_matching(const SampleSource& source, const std::vector<int64_t>& captions, const MatchScores& scores,
                           UsablePictures* usable = nullptr);

struct MaskedWord {
  int64_t sentence = 0;
  int32_t word = 0;
  std::string kind;
};
// Whether each is predicted, its caption shown with images[i].
using WordHits =
    std::function<std::vector<bool>(const std::vector<MaskedWord>& words, const std::vector<int64_t>& images)>;

struct WordFigures {
  int64_t words = 0;
  Figure right;
  std::map<std::string, double> right_by_kind;
  Figure wrong_image;  // the same with the picture of a fixed other record: what can be told without the picture
};
// The last figure where `controls` are wanted.
WordFigures evaluate_words(const SampleSource& source, const std::vector<int64_t>& captions, const WordHits& hits,
                           bool controls, UsablePictures* usable = nullptr);

// What the evaluation asks of a system. `scores` is always there.
struct CaptionModel {
  MatchScores scores;
  bool threshold = true;  // scores above 0 say that a pair belongs together
  WordHits words;         // none: it predicts no words
  // Scores of every picture with every text, [images, texts], where that is quicker than pair by pair.
  std::function<std::vector<double>(const std::vector<int64_t>& images, const std::vector<int64_t>& captions)> all;
};

struct CaptionEvaluation {
  CaptionChoice choice;
  bool controls = true;
  int64_t retrieval_pictures = 0;  // evenly spread, with their captions; 0: no retrieval; -1: all
  EvaluationTell tell;             // may be empty
};

// "matching random", "matching sibling", "matching sibling/colour" …, with " (ranked)" behind those of the second kind;
// "masked words", "masked words/colour" …, "masked words, other picture"; "text R@1" … as of retrieval
// (data/tasks/retrieval_metrics.h, ties pessimistic) with what annotations say is attainable; the counts "captions",
// "words", "images", "texts", "pictures left out".
NamedFigures evaluate_captions(const SampleSource& source, const CaptionModel& model, const CaptionEvaluation& options);

}  // namespace tessera

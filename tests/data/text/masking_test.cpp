#include "data/text/masking.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "data/text/wordpiece.h"
#include "tensor/error.h"

namespace tessera::masking_test {
namespace {

using doctest::Contains;
using Ids = std::vector<int64_t>;
using Words = std::vector<int32_t>;

Wordpiece vocabulary() {
  std::vector<std::string> tokens = {"[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]"};
  for (int i = 5; i < 40; ++i) tokens.push_back(text("w", i));
  return Wordpiece(std::move(tokens));
}

// Six words of 1, 3, 1, 2, 1, 1 pieces.
const Ids kIds = {1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 2};
const Words kWords = {-1, 0, 1, 1, 1, 2, 3, 3, 4, 5, -1};

std::set<int32_t> chosen_words(const Masking& masking, const Words& words = kWords) {
  std::set<int32_t> chosen;
  for (size_t i = 0; i < words.size(); ++i)
    if (masking.labels[i] != kIgnoreLabel) chosen.insert(words[i]);
  return chosen;
}

size_t chosen_pieces(const Masking& masking) {
  return masking.labels.size() -
         static_cast<size_t>(std::count(masking.labels.begin(), masking.labels.end(), kIgnoreLabel));
}

template <class Visit>
void draw(int draws, const Ids& ids, const Words& words, const std::vector<bool>& content,
          const MaskingOptions& options, Visit visit) {
  const Wordpiece wordpiece = vocabulary();
  for (int i = 0; i < draws; ++i) {
    Random random(5, i);
    visit(mask_words(ids, words, content, options, wordpiece, random));
  }
}

// Five standard deviations of a share estimated from `draws`: a correct program misses it once in 1.7 million seeds,
// and the seeds are fixed.
double five_sigmas(double probability, double draws) { return 5 * std::sqrt(probability * (1 - probability) / draws); }

}  // namespace

TEST_CASE("masking_budget rounds halves to even and is at least one") {
  CHECK(masking_budget(0, 0.15) == 1);
  CHECK(masking_budget(10, 0.15) == 2);  // 1.5
  CHECK(masking_budget(30, 0.15) == 4);  // 4.5
  CHECK(masking_budget(40, 0.15) == 6);
  CHECK(masking_budget(12, 0.4) == 5);
}

TEST_CASE("mask_words: whole words, labels at all of them, the rest untouched") {
  draw(300, kIds, kWords, {}, {.rate = 0.5}, [](const Masking& masking) {
    const std::set<int32_t> chosen = chosen_words(masking);
    CHECK(chosen_pieces(masking) <= 4);  // round(0.5 · 9) = 4, to even
    CHECK(chosen_pieces(masking) >= 1);
    for (size_t i = 0; i < kIds.size(); ++i) {
      const bool taken = kWords[i] >= 0 && chosen.contains(kWords[i]);
      CHECK(masking.labels[i] == (taken ? kIds[i] : kIgnoreLabel));
      if (!taken) CHECK(masking.ids[i] == kIds[i]);
    }
  });
}

TEST_CASE("mask_words: strict always takes something, official may not") {
  const Ids ids = {1, 10, 11, 12, 2};
  const Words one_word = {-1, 0, 0, 0, -1};
  draw(50, ids, one_word, {}, {}, [&](const Masking& masking) { CHECK(chosen_pieces(masking) == 3); });
  // Budget 6 of 40 places: one of 36 candidates; taken unless more than three paddings came before it.
  int taken = 0;
  draw(4000, ids, one_word, {}, {.variant = MaskingOptions::official},
       [&](const Masking& masking) { taken += chosen_pieces(masking) == 3; });
  CHECK(std::abs(taken / 4000.0 - 4.0 / 36) < five_sigmas(4.0 / 36, 4000));
  // A word longer than the budget is never taken.
  const MaskingOptions small{.variant = MaskingOptions::official, .max_length = 10};
  draw(200, ids, one_word, {}, small, [&](const Masking& masking) { CHECK(chosen_pieces(masking) == 0); });
}

TEST_CASE("mask_words: 80 % [MASK], 10 % a uniform id, 10 % the same") {
  constexpr int kDraws = 20'000;
  const Ids ids = {1, 10, 2};
  int masked = 0, same = 0;
  std::vector<int> other(40);
  draw(kDraws, ids, {-1, 0, -1}, {}, {}, [&](const Masking& masking) {
    masked += masking.ids[1] == 3;
    same += masking.ids[1] == 10;
    ++other[static_cast<size_t>(masking.ids[1])];
  });
  const double hit = 0.1 / 40;  // a random id may be any of the vocabulary, [MASK] and the original included
  CHECK(std::abs(masked / double{kDraws} - (0.8 + hit)) < five_sigmas(0.8, kDraws));
  CHECK(std::abs(same / double{kDraws} - (0.1 + hit)) < five_sigmas(0.1, kDraws));
  for (size_t id = 0; id < other.size(); ++id)
    if (id != 3 && id != 10) CHECK(std::abs(other[id] / double{kDraws} - hit) < five_sigmas(hit, kDraws));
}

TEST_CASE("mask_words: content words first") {
  const std::vector<bool> content = {false, false, true, false, false, true};
  MaskingOptions options{.rate = 0.23, .content_first = 1};  // budget 2: exactly the two content words
  draw(100, kIds, kWords, content, options, [](const Masking& masking) {
    CHECK(chosen_words(masking) == std::set<int32_t>{2, 5});
  });
  options.content_first = 0.25;
  int first = 0;
  draw(4000, kIds, kWords, content, options, [&](const Masking& masking) {
    first += chosen_words(masking) == std::set<int32_t>{2, 5};
  });
  int without = 0;
  draw(4000, kIds, kWords, {}, options, [&](const Masking& masking) {
    without += chosen_words(masking) == std::set<int32_t>{2, 5};
  });
  const double chance = without / 4000.0, expected = 0.25 + 0.75 * chance;
  CHECK(std::abs(first / 4000.0 - expected) < five_sigmas(expected, 4000) + 0.75 * five_sigmas(chance, 4000));
}

TEST_CASE("mask_words: without words nothing is masked; equal seeds give equal masks") {
  for (const auto variant : {MaskingOptions::strict, MaskingOptions::official})
    draw(3, {1, 2}, {-1, -1}, {}, {.variant = variant},
         [](const Masking& masking) { CHECK(chosen_pieces(masking) == 0); });
  const Wordpiece wordpiece = vocabulary();
  Random one(3, 1, 2), two(3, 1, 2);
  for (int i = 0; i < 20; ++i) {
    const Masking a = mask_words(kIds, kWords, {}, {}, wordpiece, one),
                  b = mask_words(kIds, kWords, {}, {}, wordpiece, two);
    CHECK(a.ids == b.ids);
    CHECK(a.labels == b.labels);
  }
}

TEST_CASE("mask_one_word") {
  const Masking masking = mask_one_word(kIds, kWords, 1, vocabulary());
  CHECK(masking.ids == Ids{1, 10, 3, 3, 3, 14, 15, 16, 17, 18, 2});
  CHECK(masking.labels == Ids{-100, -100, 11, 12, 13, -100, -100, -100, -100, -100, -100});
  CHECK_THROWS_WITH_AS(mask_one_word(kIds, kWords, 6, vocabulary()), Contains("word 6 of 6"), Error);
}

TEST_CASE("mask_words: errors") {
  const Wordpiece wordpiece = vocabulary();
  Random random(1);
  const auto call = [&](const Ids& ids, const Words& words, const std::vector<bool>& content, MaskingOptions options) {
    return mask_words(ids, words, content, options, wordpiece, random);
  };
  CHECK_THROWS_WITH_AS(call(kIds, kWords, {}, {.rate = 0}), Contains("rate is 0"), Error);
  CHECK_THROWS_WITH_AS(call(kIds, kWords, {}, {.rate = 1.5}), Contains("rate is 1.5"), Error);
  CHECK_THROWS_WITH_AS(call(kIds, kWords, {}, {.rate = NAN}), Contains("rate is nan"), Error);
  CHECK_THROWS_WITH_AS(call(kIds, kWords, {}, {.content_first = -1}), Contains("content_first is -1"), Error);
  CHECK_THROWS_WITH_AS(call(kIds, {-1, 0}, {}, {}), Contains("11 ids and 2 word numbers"), Error);
  CHECK_THROWS_WITH_AS(call({1, 10, 11, 2}, {-1, 1, 0, -1}, {}, {}), Contains("place 1 belongs to word 1, expected 0"),
                       Error);
  CHECK_THROWS_WITH_AS(call({10, 1, 11}, {0, -1, 0}, {}, {}), Contains("place 2 belongs to word 0"), Error);
  CHECK_THROWS_WITH_AS(call(kIds, kWords, {true}, {}), Contains("1 content flags for 6 words"), Error);
  CHECK_THROWS_WITH_AS(call(kIds, kWords, {}, {.variant = MaskingOptions::official, .max_length = 8}),
                       Contains("the sequence has 11 pieces, expected at most 8"), Error);
}

TEST_CASE("mask_tokens: each piece by itself") {
  const Wordpiece wordpiece = vocabulary();
  const auto call = [&](double rate, bool at_least_one, uint64_t seed, const Ids& ids = kIds,
                        const Words& words = kWords) {
    Random random(5, seed);
    return mask_tokens(ids, words, rate, at_least_one, wordpiece, random);
  };
  size_t chosen = 0, parts = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    const Masking masking = call(0.3, false, i);
    chosen += chosen_pieces(masking);
    CHECK(masking.labels.front() == kIgnoreLabel);
    CHECK(masking.labels.back() == kIgnoreLabel);
    for (size_t t = 0; t < kIds.size(); ++t) {
      if (masking.labels[t] == kIgnoreLabel) CHECK(masking.ids[t] == kIds[t]);
      if (masking.labels[t] != kIgnoreLabel) CHECK(masking.labels[t] == kIds[t]);
    }
    // A part of the word of three pieces.
    const auto of_word = std::count_if(masking.labels.begin() + 2, masking.labels.begin() + 5,
                                       [](int64_t label) { return label != kIgnoreLabel; });
    parts += of_word == 1 || of_word == 2;
  }
  // 18,000 draws of 0.3: five standard deviations are 307.
  CHECK(std::abs(static_cast<double>(chosen) - 5400) < 307);
  CHECK(parts > 500);
  CHECK(chosen_pieces(call(1, false, 0)) == 9);
  CHECK(chosen_pieces(call(0, false, 0)) == 0);
  const Masking least = call(0, true, 0);
  CHECK(least.labels[1] == 10);
  CHECK(least.ids[1] == wordpiece.mask_id());
  CHECK(chosen_pieces(least) == 1);
  CHECK(call(1, true, 0, {1, 2}, {-1, -1}).labels == Ids{kIgnoreLabel, kIgnoreLabel});
  CHECK_THROWS_WITH_AS(call(2, true, 0), Contains("rate is 2"), Error);
  CHECK_THROWS_WITH_AS(call(0.1, true, 0, {1}, {}), Contains("1 ids and 0 word numbers"), Error);
}

}  // namespace tessera::masking_test

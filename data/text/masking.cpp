#include "data/text/masking.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/text/wordpiece.h"
#include "tensor/error.h"

namespace tessera {
namespace {

struct Places {
  size_t first = 0, count = 0;
};

// Where the pieces of each word are.
std::vector<Places> places_of_words(const std::vector<int64_t>& ids, const std::vector<int32_t>& words) {
  check(ids.size() == words.size(), "masking: ", ids.size(), " ids and ", words.size(),
        " word numbers, expected equally many");
  std::vector<Places> places;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] < 0) continue;
    const auto word = static_cast<size_t>(words[i]);
    const bool continues = word + 1 == places.size() && i > 0 && words[i - 1] == words[i];
    check(continues || word == places.size(), "masking: place ", i, " belongs to word ", words[i], ", expected ",
          places.size(), ": words are numbered from 0 and their pieces adjacent");
    if (!continues) places.push_back({i, 0});
    ++places.back().count;
  }
  return places;
}

struct Candidates {
  std::vector<size_t> order;   // in which they are tried; numbers from `words` on are padding
  bool content_first = false;  // content words were put first, and there is one
};

Candidates draw_candidates(size_t words, size_t padding, const std::vector<bool>& content, double content_first,
                           Random& random) {
  Candidates out;
  out.order.resize(words + padding);
  std::iota(out.order.begin(), out.order.end(), size_t{0});
  random.shuffle(out.order);
  if (content_first == 0 || random.uniform() >= content_first) return out;
  const auto end = std::stable_partition(out.order.begin(), out.order.end(),
                                         [&](size_t i) { return i < std::min(words, content.size()) && content[i]; });
  out.content_first = end != out.order.begin();
  return out;
}

int64_t replacement(int64_t id, const Wordpiece& vocabulary, Random& random) {
  const double draw = random.uniform();
  if (draw < 0.8) return vocabulary.mask_id();
  if (draw < 0.9) return static_cast<int64_t>(random.below(vocabulary.size()));
  return id;
}

}  // namespace

int64_t masking_budget(int64_t length, double rate) {
  return std::max<int64_t>(1, std::llrint(static_cast<double>(length) * rate));
}

Masking mask_words(const std::vector<int64_t>& ids, const std::vector<int32_t>& words, const std::vector<bool>& content,
                   const MaskingOptions& options, const Wordpiece& vocabulary, Random& random) {
  check(options.rate > 0 && options.rate <= 1, "masking: rate is ", options.rate, ", expected more than 0, at most 1");
  check(options.content_first >= 0 && options.content_first <= 1, "masking: content_first is ", options.content_first,
        ", expected 0 to 1");
  const std::vector<Places> places = places_of_words(ids, words);
  check(content.empty() || content.size() >= places.size(), "masking: ", content.size(), " content flags for ",
        places.size(), " words");
  const bool strict = options.variant == MaskingOptions::strict;
  const auto length = static_cast<int64_t>(ids.size());
  check(strict || length <= options.max_length, "masking: the sequence has ", length, " pieces, expected at most ",
        options.max_length, " (max_length)");

  int64_t real_pieces = 0;
  for (const Places& word : places) real_pieces += static_cast<int64_t>(word.count);
  const auto budget = static_cast<size_t>(masking_budget(strict ? real_pieces : options.max_length, options.rate));
  const size_t padding = strict ? 0 : static_cast<size_t>(options.max_length - length);
  const auto [order, content_first] = draw_candidates(places.size(), padding, content, options.content_first, random);

  std::vector<size_t> chosen;
  size_t used = 0;
  for (const size_t candidate : order) {
    const bool is_padding = candidate >= places.size();
    const size_t pieces = is_padding ? 1 : places[candidate].count;
    const bool is_first_content = content_first && candidate == order.front();
    if (used + pieces > budget && !is_first_content) continue;
    used += pieces;
    if (!is_padding) chosen.push_back(candidate);
  }
  if (strict && chosen.empty() && !order.empty()) chosen.push_back(order.front());

  Masking out{ids, std::vector<int64_t>(ids.size(), kIgnoreLabel)};
  for (const size_t word : chosen)
    for (size_t i = places[word].first; i < places[word].first + places[word].count; ++i) {
      out.labels[i] = ids[i];
      out.ids[i] = replacement(ids[i], vocabulary, random);
    }
  return out;
}

Masking mask_tokens(const std::vector<int64_t>& ids, const std::vector<int32_t>& words, double rate, bool at_least_one,
                    const Wordpiece& vocabulary, Random& random) {
  check(rate >= 0 && rate <= 1, "masking: rate is ", rate, ", expected 0 to 1");
  check(ids.size() == words.size(), "masking: ", ids.size(), " ids and ", words.size(),
        " word numbers, expected equally many");
  Masking out{ids, std::vector<int64_t>(ids.size(), kIgnoreLabel)};
  bool chosen = false;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (words[i] < 0 || random.uniform() >= rate) continue;
    out.labels[i] = ids[i];
    out.ids[i] = replacement(ids[i], vocabulary, random);
    chosen = true;
  }
  const auto first = std::find_if(words.begin(), words.end(), [](int32_t word) { return word >= 0; });
  if (chosen || !at_least_one || first == words.end()) return out;
  const auto place = static_cast<size_t>(first - words.begin());
  out.labels[place] = ids[place];
  out.ids[place] = vocabulary.mask_id();
  return out;
}

Masking mask_one_word(const std::vector<int64_t>& ids, const std::vector<int32_t>& words, int32_t word,
                      const Wordpiece& vocabulary) {
  const std::vector<Places> places = places_of_words(ids, words);
  check(word >= 0 && static_cast<size_t>(word) < places.size(), "masking: word ", word, " of ", places.size());
  Masking out{ids, std::vector<int64_t>(ids.size(), kIgnoreLabel)};
  const Places& place = places[static_cast<size_t>(word)];
  for (size_t i = place.first; i < place.first + place.count; ++i) {
    out.labels[i] = ids[i];
    out.ids[i] = vocabulary.mask_id();
  }
  return out;
}

}  // namespace tessera

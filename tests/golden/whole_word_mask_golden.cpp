// data/whole_word_mask: how often each word is masked, how many pieces, how the chosen are replaced, and the budget.
//
// The reference is itself a sample; its intervals are given at 99.99 %. Ours adds its own error: an estimate q from N
// draws of a probability p passes if |q - p| <= interval + z·sqrt(max(p(1-p), 1/N)/N) with z = 3.89. The seed is
// fixed, so a pass stays a pass.
#include <algorithm>
#include <cmath>
#include <map>

#include "data/text/masking.h"
#include "data/text/wordpiece.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

using nlohmann::json;

constexpr int kDraws = 50'000;
constexpr double kSigmas = 3.89;  // 99.99 %, two-sided

double sampling_error(double probability, double draws) {
  return kSigmas * std::sqrt(std::max(probability * (1 - probability), 1 / draws) / draws);
}

// The cases give ids and tokens of their sentences only; every other id is filled up.
Wordpiece vocabulary_of(const json& cases) {
  std::map<int64_t, std::string> named;
  for (const json& one : cases)
    for (size_t i = 0; i < one.at("input_ids").size(); ++i) {
      const json& tokens = one.at("tokens");
      named[one.at("input_ids").at(i)] = i < tokens.size() ? tokens.at(i).get<std::string>() : "[PAD]";
    }
  int64_t next = named.empty() ? 0 : named.rbegin()->first + 1;
  for (const char* special : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"})
    if (std::none_of(named.begin(), named.end(), [&](const auto& entry) { return entry.second == special; }))
      named[next++] = special;
  std::vector<std::string> tokens(static_cast<size_t>(next));
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto found = named.find(static_cast<int64_t>(i));
    tokens[i] = found == named.end() ? text("<", i, ">") : found->second;
  }
  return Wordpiece(std::move(tokens));
}

struct Sentence {
  std::vector<int64_t> ids;  // without padding
  std::vector<int32_t> words;
};

Sentence sentence_of(const json& one, const Wordpiece& vocabulary) {
  Sentence sentence;
  int32_t word = -1;
  for (size_t i = 0; i < one.at("tokens").size(); ++i) {
    const auto id = one.at("input_ids").at(i).get<int64_t>();
    const bool fixed = id == vocabulary.cls_id() || id == vocabulary.sep_id();
    if (!fixed && (word < 0 || !vocabulary.is_continuation(id))) ++word;
    sentence.ids.push_back(id);
    sentence.words.push_back(fixed ? -1 : word);
  }
  return sentence;
}

// Largest used fraction of a bound, and where.
struct Worst {
  double fraction = 0;
  std::string where;

  void add(double difference, double bound, const std::string& name) {
    const double used = bound > 0 ? difference / bound : (difference == 0 ? 0 : INFINITY);
    if (used > fraction || std::isnan(used)) {
      fraction = std::isnan(used) ? INFINITY : used;
      where = name;
    }
  }
};

struct Replaced {
  double chosen = 0, masked = 0, kept = 0;
};

void compare(const json& expected, const Sentence& sentence, const MaskingOptions& options, const Wordpiece& vocabulary,
             uint64_t seed, const std::string& name, Worst& worst, Replaced& replaced) {
  const auto groups = expected.at("groups").get<std::vector<std::vector<size_t>>>();
  std::vector<double> word_count(groups.size()), histogram(sentence.ids.size() + 1);
  double total = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    Random random(seed, draw);
    const Masking masking = mask_words(sentence.ids, sentence.words, {}, options, vocabulary, random);
    size_t chosen = 0, in_groups = 0;
    for (size_t i = 0; i < masking.labels.size(); ++i) {
      if (masking.labels[i] == kIgnoreLabel) {
        check(masking.ids[i] == sentence.ids[i], name, ": changed an id that is not chosen");
        continue;
      }
      check(masking.labels[i] == sentence.ids[i], name, ": a label is not the original id");
      ++chosen;
      if (sentence.ids[i] == vocabulary.mask_id()) continue;  // replaced and kept look the same
      replaced.chosen += 1;
      replaced.masked += masking.ids[i] == vocabulary.mask_id();
      replaced.kept += masking.ids[i] == sentence.ids[i];
    }
    for (size_t g = 0; g < groups.size(); ++g) {
      const bool taken = masking.labels[groups[g].front()] != kIgnoreLabel;
      for (const size_t i : groups[g])
        check((masking.labels[i] != kIgnoreLabel) == taken, name, ": a word is masked in part");
      word_count[g] += taken;
      if (taken) in_groups += groups[g].size();
    }
    check(in_groups == chosen, name, ": a place outside the words is masked");
    ++histogram[chosen];
    total += static_cast<double>(chosen);
  }
  const auto probability = [&](double got, double wanted, double interval, const std::string& what) {
    worst.add(std::abs(got / kDraws - wanted), interval + sampling_error(wanted, kDraws), name + " " + what);
  };
  for (size_t g = 0; g < groups.size(); ++g)
    probability(word_count[g], expected.at("word_probability").at(g), expected.at("word_interval").at(g),
                text("word ", g));
  if (groups.empty()) {
    check(total == 0, name, ": masked something where there is no word");
    return;
  }
  const auto counts = expected.at("count_histogram").get<std::vector<double>>();
  double draws = 0, mean = 0, square = 0;
  for (size_t n = 0; n < counts.size(); ++n) {
    draws += counts[n];
    mean += counts[n] * static_cast<double>(n);
    square += counts[n] * static_cast<double>(n * n);
  }
  mean /= draws;
  const double deviation = std::sqrt(std::max(0.0, square / draws - mean * mean));
  for (size_t n = 0; n < std::max(counts.size(), histogram.size()); ++n) {
    const double wanted = n < counts.size() ? counts[n] / draws : 0;
    probability(n < histogram.size() ? histogram[n] : 0, wanted, sampling_error(wanted, draws), text(n, " pieces"));
  }
  // 5e-6: the stored mean is rounded to five places.
  worst.add(std::abs(total / kDraws - expected.at("mean_masked").get<double>()),
            expected.at("mean_interval").get<double>() + kSigmas * deviation / std::sqrt(double{kDraws}) + 5e-6,
            name + " mean");
}

void compare_budgets(const std::filesystem::path& path, double rate) {
  const json budgets = read_json(path).at("budget");
  for (size_t length = 0; length < budgets.size(); ++length)
    check(masking_budget(static_cast<int64_t>(length), rate) == budgets[length].get<int64_t>(), "budget of ", length,
          " pieces is ", masking_budget(static_cast<int64_t>(length), rate), ", expected ", budgets[length].dump());
}

}  // namespace

Outcome run_whole_word_mask(const std::filesystem::path& directory) {
  const json all = read_json(directory / "cases.json");
  const json& cases = all.at("cases");
  const Wordpiece vocabulary = vocabulary_of(cases);
  Worst worst;
  Replaced replaced;
  uint64_t seed = 20'210'205;
  MaskingOptions options;
  options.rate = all.at("mlm_probability");
  options.max_length = all.at("max_length");
  if (std::filesystem::exists(directory / "budget.json")) compare_budgets(directory / "budget.json", options.rate);
  for (const json& one : cases) {
    const Sentence sentence = sentence_of(one, vocabulary);
    for (const auto variant : {MaskingOptions::official, MaskingOptions::strict}) {
      options.variant = variant;
      const char* name = variant == MaskingOptions::strict ? "strict" : "official";
      compare(one.at(name), sentence, options, vocabulary, seed++, text(name, " ", one.at("text").dump()), worst,
              replaced);
    }
  }
  const json& exact = all.at("replacement").at("exact");
  // One random id in vocabulary.size() is [MASK], and one the original.
  const double hit = exact.at("random").get<double>() / static_cast<double>(vocabulary.size());
  const auto share = [&](double got, const char* kind) {
    const double wanted = exact.at(kind).get<double>() + hit;
    worst.add(std::abs(got / replaced.chosen - wanted), sampling_error(wanted, replaced.chosen), kind);
  };
  share(replaced.masked, "mask");
  share(replaced.kept, "keep");
  return {worst.fraction <= 1,
          text(cases.size(), " sentences, ", kDraws, " draws each; largest used fraction of a bound ", worst.fraction,
               ": ", worst.where)};
}

}  // namespace tessera::golden

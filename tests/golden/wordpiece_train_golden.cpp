// data/wordpiece_train: the properties that a trained vocabulary must have. The reference's own vocabularies differ
// from run to run and are not compared; how many pieces the corpus needs is.
#include <algorithm>
#include <map>
#include <set>

#include "data/text/vocabulary.h"
#include "data/text/wordpiece.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

using nlohmann::json;

constexpr double kMorePiecesAllowed = 1.05;  // of must_hold: ties are broken differently

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream in = open_file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

template <class Lines>
VocabularyTrainer trainer_for(const Lines& begin, const Lines& end) {
  VocabularyTrainer trainer;
  for (auto line = begin; line != end; ++line) trainer.add(*line);
  return trainer;
}

// Pairs of adjacent characters and how often they occur.
std::map<std::pair<std::string, std::string>, int64_t> pair_counts(const VocabularyTrainer& trainer,
                                                                   const Wordpiece& characters) {
  std::map<std::pair<std::string, std::string>, int64_t> counts;
  for (const auto& [word, count] : trainer.counts()) {
    const Encoding pieces = characters.encode(word);
    for (size_t i = 1; i < pieces.size(); ++i)
      counts[{characters.token(pieces.ids[i - 1]), characters.token(pieces.ids[i])}] += count;
  }
  return counts;
}

// Whether `token` is a beginning of some word, or with ## a part of one behind its beginning.
bool occurs(const std::string& token, const VocabularyTrainer& trainer) {
  const bool inside = token.starts_with("##");
  for (const auto& [word, count] : trainer.counts())
    if (inside ? word.find(token.substr(2), 1) != std::string::npos : word.starts_with(token)) return true;
  return false;
}

// Checks one size; returns pieces needed / pieces of the reference.
double check_size(const json& result, const json& properties, const VocabularyTrainer& trainer) {
  const auto requested = result.at("requested_size").get<size_t>();
  const std::vector<std::string> tokens = trainer.train(requested);
  const std::vector<std::string> specials = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  check(tokens.size() >= 5 && std::equal(specials.begin(), specials.end(), tokens.begin()), "size ", requested,
        ": the special tokens are not first");
  const Wordpiece vocabulary(tokens);  // refuses duplicates

  std::set<std::string> alphabet;
  for (const json& token : properties.at("alphabet")) alphabet.insert(token.get<std::string>());
  for (const std::string& token : alphabet) check(vocabulary.contains(token), "size ", requested, ": no ", token);

  int64_t pieces = 0;
  bool all_whole = true;
  for (const auto& [word, count] : trainer.counts()) {
    const Encoding encoding = vocabulary.encode(word);
    for (const int64_t id : encoding.ids) check(id != vocabulary.unk_id(), "size ", requested, ": ", word, " is [UNK]");
    pieces += count * static_cast<int64_t>(encoding.size());
    all_whole = all_whole && encoding.size() == 1;
  }
  check(tokens.size() == requested || (tokens.size() < requested && all_whole), "size ", requested, ": got ",
        tokens.size(), " tokens though words are left to merge");
  for (size_t i = 5; i < tokens.size(); ++i)
    check(alphabet.contains(tokens[i]) || occurs(tokens[i], trainer), "size ", requested, ": token ", tokens[i],
          " is part of no word");

  if (tokens.size() > 5 + alphabet.size()) {
    const std::string& first = tokens[5 + alphabet.size()];
    const Wordpiece characters(
        std::vector<std::string>(tokens.begin(), tokens.begin() + 5 + static_cast<std::ptrdiff_t>(alphabet.size())));
    const auto counts = pair_counts(trainer, characters);
    int64_t largest = 0;
    for (const auto& [pair, count] : counts) largest = std::max(largest, count);
    bool is_best = false;
    for (const auto& [pair, count] : counts)
      is_best = is_best || (count == largest && pair.first + pair.second.substr(2) == first);
    check(is_best, "size ", requested, ": the first merge ", first, " is not among the most frequent pairs");
    check(largest == properties.at("top_pairs").at(0).at(2).get<int64_t>(), "the most frequent pair occurs ", largest,
          " times, expected ", properties.at("top_pairs").at(0).at(2).dump());
  }
  return static_cast<double>(pieces) / static_cast<double>(result.at("corpus_pieces").get<int64_t>());
}

}  // namespace

Outcome run_wordpiece_train(const std::filesystem::path& directory) {
  const json properties = read_json(directory / "properties.json");
  std::vector<std::string> lines = lines_of(directory / "corpus.txt");
  const VocabularyTrainer trainer = trainer_for(lines.begin(), lines.end());
  check(trainer.counts() == properties.at("words").get<std::map<std::string, int64_t>>(),
        "the words or their counts differ from properties.json");
  const VocabularyTrainer backwards = trainer_for(lines.rbegin(), lines.rend());
  double worst = 0;
  for (const json& result : properties.at("results")) {
    const auto size = result.at("requested_size").get<size_t>();
    check(trainer.train(size) == backwards.train(size), "size ", size, ": depends on the order of the lines");
    worst = std::max(worst, check_size(result, properties, trainer));
  }
  return {worst <= kMorePiecesAllowed && worst > 0,
          text(properties.at("results").size(), " sizes, at most ", worst, " times the reference's pieces, allowed ",
               kMorePiecesAllowed)};
}

}  // namespace tessera::golden

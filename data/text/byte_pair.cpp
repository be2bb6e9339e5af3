#include "data/text/byte_pair.h"

#include <algorithm>
#include <limits>
#include <queue>

#include "data/text/byte_alphabet.h"
#include "data/text/byte_pair_files.h"
#include "data/text/unicode.h"
#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

uint64_t pair_of(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

// A pair that may be joined: symbols `place` and the one behind it, as they were when it was found.
struct Joinable {
  uint32_t rank, place;
  uint64_t pair;
  int32_t joined;
  bool operator>(const Joinable& other) const { return rank != other.rank ? rank > other.rank : place > other.place; }
};

// The symbols of a word as a list that shrinks.
struct SymbolList {
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
  std::vector<int32_t> symbols;
  std::vector<uint32_t> next, previous;
  std::vector<bool> gone;

  explicit SymbolList(std::vector<int32_t> of) : symbols(std::move(of)), gone(symbols.size()) {
    const auto count = static_cast<uint32_t>(symbols.size());
    for (uint32_t i = 0; i < count; ++i) {
      next.push_back(i + 1 < count ? i + 1 : kNone);
      previous.push_back(i > 0 ? i - 1 : kNone);
    }
  }
  bool is_pair(const Joinable& found) const {
    return !gone[found.place] && next[found.place] != kNone &&
           pair_of(symbols[found.place], symbols[next[found.place]]) == found.pair;
  }
  void join(uint32_t place, int32_t joined) {
    const uint32_t right = next[place];
    symbols[place] = joined;
    gone[right] = true;
    next[place] = next[right];
    if (next[place] != kNone) previous[next[place]] = place;
  }
};

}  // namespace

BytePair::BytePair(BytePairVocabulary vocabulary, Options options, const std::string& origin)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)) {
  check(vocabulary_.tokens.size() <= static_cast<size_t>(std::numeric_limits<int32_t>::max()), origin, ": ",
        vocabulary_.tokens.size(), " tokens, the limit is 2^31 - 1");
  index_tokens(origin);
  index_merges(origin);
  index_whole_words();
}

BytePair BytePair::from_file(const std::filesystem::path& path, Options options) {
  BytePairVocabulary vocabulary = read_byte_pairs(path, options.start, options.end);
  return BytePair(std::move(vocabulary), std::move(options), shown(path));
}

void BytePair::index_tokens(const std::string& origin) {
  const std::vector<std::string>& tokens = vocabulary_.tokens;
  ids_.reserve(tokens.size());
  bytes_.reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::optional<std::string> bytes = bytes_of_token(tokens[i]);
    check(bytes && !bytes->empty(), origin, ": token ", i, ", ", printable(tokens[i]),
          ", does not consist of the characters of bytes");
    bytes_.push_back(std::move(*bytes));
    const auto [place, is_new] = ids_.emplace(tokens[i], static_cast<int32_t>(i));
    check(is_new, origin, ": token ", printable(tokens[i]), " has ids ", place->second, " and ", i);
  }
  const auto needed = [&](const std::string& token, const auto&... what) {
    const auto found = ids_.find(token);
    check(found != ids_.end(), origin, ": no token ", printable(token), ", ", what...);
    return found->second;
  };
  for (size_t byte = 0; byte < 256; ++byte) {
    inside_[byte] = needed(byte_characters()[byte], "which stands for byte ", byte, " in a word");
    last_[byte] = needed(byte_characters()[byte] + std::string(kWordEnd), "which stands for byte ", byte,
                         " at the end of a word");
  }
  start_ = needed(options_.start, "which begins a text");
  end_ = needed(options_.end, "which ends a text");
}

void BytePair::index_merges(const std::string& origin) {
  const auto needed = [&](const std::string& token, size_t merge) {
    const auto found = ids_.find(token);
    check(found != ids_.end(), origin, ": merge ", merge + 1, ": ", printable(token), " is no token");
    return found->second;
  };
  merges_.reserve(vocabulary_.merges.size());
  for (size_t i = 0; i < vocabulary_.merges.size(); ++i) {
    const auto& [left, right] = vocabulary_.merges[i];
    const Merge merge{static_cast<uint32_t>(i), needed(left + right, i)};
    const bool is_new = merges_.emplace(pair_of(needed(left, i), needed(right, i)), merge).second;
    check(is_new, origin, ": merge ", i + 1, " of ", printable(left), " and ", printable(right), " is there twice");
  }
}

void BytePair::index_whole_words() {
  for (size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
    if (!vocabulary_.tokens[i].ends_with(kWordEnd)) continue;
    const std::string_view word = std::string_view(bytes_[i]).substr(0, bytes_[i].size() - kWordEnd.size());
    if (word.empty()) continue;
    const std::vector<int32_t> symbols = joined_symbols(word);
    if (symbols.size() == 1) whole_words_.emplace(word, symbols[0]);
  }
}

const BytePair::Merge* BytePair::find_merge(int32_t left, int32_t right) const {
  const auto found = merges_.find(pair_of(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

// With a queue, so that a word of a million letters takes n log n. Pairs that a merge makes wait until all occurrences
// of its own pair are joined, as in the definition.
std::vector<int32_t> BytePair::joined_symbols(std::string_view bytes) const {
  std::vector<int32_t> symbols;
  symbols.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i)
    symbols.push_back((i + 1 == bytes.size() ? last_ : inside_)[static_cast<uint8_t>(bytes[i])]);
  SymbolList list(std::move(symbols));

  std::vector<Joinable> found;
  const auto look = [&](uint32_t place) {
    if (place == SymbolList::kNone || list.next[place] == SymbolList::kNone) return;
    const int32_t left = list.symbols[place], right = list.symbols[list.next[place]];
    if (const Merge* merge = find_merge(left, right))
      found.push_back({merge->rank, place, pair_of(left, right), merge->joined});
  };
  for (uint32_t i = 0; i < list.symbols.size(); ++i) look(i);
  std::priority_queue<Joinable, std::vector<Joinable>, std::greater<>> queue({}, std::move(found));
  found.clear();
  while (!queue.empty()) {
    const uint32_t rank = queue.top().rank;
    for (; !queue.empty() && queue.top().rank == rank; queue.pop()) {
      const Joinable& next = queue.top();
      if (!list.is_pair(next)) continue;
      list.join(next.place, next.joined);
      look(list.previous[next.place]);
      look(next.place);
    }
    for (const Joinable& one : found) queue.push(one);
    found.clear();
  }
  std::vector<int32_t> out;
  for (size_t i = 0; i < list.symbols.size(); ++i)
    if (!list.gone[i]) out.push_back(list.symbols[i]);
  return out;
}

std::vector<int64_t> BytePair::encode(std::string_view text) const {
  check(text.size() < std::numeric_limits<uint32_t>::max() / 8, "tokenizer: a text of ", text.size(), " bytes");
  std::vector<int64_t> ids;
  for (const BytePairWord& word : byte_pair_words(text, options_.cleaning, {options_.start, options_.end})) {
    if (word.special >= 0) {
      ids.push_back(word.special == 0 ? start_ : end_);
    } else if (const auto whole = whole_words_.find(word.text); whole != whole_words_.end()) {
      ids.push_back(whole->second);
    } else {
      for (const int32_t symbol : joined_symbols(word.text)) ids.push_back(symbol);
    }
  }
  return ids;
}

std::vector<int64_t> BytePair::sequence(const std::vector<int64_t>& ids, size_t context_length, TooLong too_long,
                                        Padding padding) const {
  check(context_length >= 2, "tokenizer: context_length is ", context_length,
        ", expected at least 2 for the start and the end");
  check(too_long == TooLong::cut || ids.size() <= context_length - 2, "tokenizer: the text has ", ids.size() + 2,
        " tokens with its start and its end, the context length is ", context_length);
  std::vector<int64_t> out = {start_};
  const size_t count = std::min(ids.size(), context_length - 2);
  out.insert(out.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count));
  out.push_back(end_);
  if (padding != Padding::none) out.resize(context_length, padding == Padding::zero ? 0 : end_);
  return out;
}

std::string BytePair::decode(const std::vector<int64_t>& ids) const {
  std::string bytes;
  for (const int64_t id : ids) {
    token(id);
    bytes += bytes_[static_cast<size_t>(id)];
  }
  std::string text;
  for (size_t at = 0; at < bytes.size();) {
    if (std::string_view(bytes).substr(at).starts_with(kWordEnd)) {
      text += ' ';
      at += kWordEnd.size();
    } else {
      unicode::append_utf8(text, unicode::next_code_point(bytes, at));
    }
  }
  return text;
}

const std::string& BytePair::token(int64_t id) const {
  check(id >= 0 && id < static_cast<int64_t>(size()), "tokenizer: token id is ", id, ", expected 0 to ", size() - 1);
  return vocabulary_.tokens[static_cast<size_t>(id)];
}

int64_t BytePair::id(std::string_view token) const {
  const auto found = ids_.find(token);
  check(found != ids_.end(), "tokenizer: the vocabulary has no token ", printable(token));
  return found->second;
}

}  // namespace tessera

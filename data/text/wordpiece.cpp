#include "data/text/wordpiece.h"

#include <algorithm>
#include <array>

#include "data/text/basic_tokenizer.h"
#include "data/text/tokenizer_json.h"
#include "data/text/unicode.h"
#include "io/files.h"
#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{64} << 20;

struct Found {
  size_t position = std::string_view::npos;
  std::string_view token;
};

// The first special token written in `text` at or after `from`. None is a prefix of another.
Found find_special(std::string_view text, size_t from) {
  for (size_t open = text.find('[', from); open != std::string_view::npos; open = text.find('[', open + 1))
    for (const std::string_view token : kSpecialTokens)
      if (text.substr(open).starts_with(token)) return {open, token};
  return {};
}

std::string contents_of(const std::filesystem::path& path) {
  const std::vector<uint8_t> bytes = read_file(path, kMaxFileBytes);
  return {bytes.begin(), bytes.end()};
}

// Unicode's White_Space, which Hugging Face's reader takes off: the blanks and a few control characters.
bool is_white_space(char32_t c) {
  return (c >= '\t' && c <= '\r') || c == 0x85 || unicode::category_class(c) == unicode::CharacterClass::space;
}

std::string_view without_blanks_at_end(std::string_view line) {
  while (!line.empty()) {
    size_t start = line.size() - 1;
    while (start > 0 && (line[start] & 0xC0) == 0x80) --start;
    size_t position = start;
    if (!is_white_space(unicode::next_code_point(line, position)) || position != line.size()) break;
    line = line.substr(0, start);
  }
  return line;
}

void push(Encoding& encoding, int64_t id, int32_t word, uint32_t begin, uint32_t end) {
  encoding.ids.push_back(id);
  encoding.words.push_back(word);
  encoding.begin.push_back(begin);
  encoding.end.push_back(end);
}

}  // namespace

std::vector<int32_t> words_in_span(const Encoding& encoding, size_t begin, size_t end) {
  std::vector<int32_t> words;
  for (size_t i = 0; i < encoding.size(); ++i)
    if (encoding.words[i] >= 0 && encoding.begin[i] < end && begin < encoding.end[i] &&
        (words.empty() || words.back() != encoding.words[i]))
      words.push_back(encoding.words[i]);
  return words;
}

Wordpiece::Wordpiece(std::vector<std::string> tokens, const std::string& origin, const Normalisation& normalisation)
    : tokens_(std::move(tokens)), normalisation_(normalisation) {
  ids_.reserve(tokens_.size());
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& token = tokens_[i];
    check(!token.empty(), origin, ": line ", i + 1, " is empty, expected one token a line");
    check(unicode::is_utf8(token), origin, ": line ", i + 1, " is not UTF-8");
    const auto [place, is_new] = ids_.emplace(token, static_cast<int64_t>(i));
    check(is_new, origin, ": token '", token, "' is on line ", place->second + 1, " and on line ", i + 1);
    if (token.size() > 2 && token.starts_with("##")) continuations_.emplace(token.substr(2), static_cast<int64_t>(i));
    longest_ = std::max(longest_, token.size());
  }
  std::string missing;
  for (const std::string_view token : kSpecialTokens)
    if (!contains(token)) missing += (missing.empty() ? "" : ", ") + std::string(token);
  check(missing.empty(), origin, ": has no ", missing, " among its ", tokens_.size(), " tokens");
  pad_ = id("[PAD]");
  unk_ = id("[UNK]");
  cls_ = id("[CLS]");
  sep_ = id("[SEP]");
  mask_ = id("[MASK]");
}

Wordpiece Wordpiece::from_file(const std::filesystem::path& path) {
  const std::filesystem::path config = path.parent_path() / "tokenizer_config.json";
  GivenNormalisation given;
  if (std::filesystem::exists(config)) given = given_normalisation(contents_of(config), shown(config));
  if (path.extension() == ".json") return wordpiece_from_json(contents_of(path), shown(path), given);
  return from_lines(contents_of(path), shown(path), given.resolved());
}

Wordpiece Wordpiece::from_lines(std::string_view contents, const std::string& origin,
                                const Normalisation& normalisation) {
  if (contents.starts_with("\xef\xbb\xbf")) contents.remove_prefix(3);
  std::vector<std::string> tokens;
  for (size_t position = 0; position < contents.size();) {
    const size_t end = std::min(contents.find('\n', position), contents.size());
    tokens.emplace_back(without_blanks_at_end(contents.substr(position, end - position)));
    position = end + 1;
  }
  if (!tokens.empty() && tokens.back().empty()) tokens.pop_back();
  check(!tokens.empty(), origin, ": is empty, expected one token a line");
  return Wordpiece(std::move(tokens), origin, normalisation);
}

Encoding Wordpiece::encode(std::string_view text, EncodeOptions options) const {
  Encoding encoding;
  int32_t word = 0;
  size_t position = 0;
  while (options.special_tokens) {
    const Found special = find_special(text, position);
    if (special.token.empty()) break;
    append_pieces(text.substr(position, special.position - position), position, encoding, word);
    position = special.position + special.token.size();
    push(encoding, id(special.token), word++, static_cast<uint32_t>(special.position), static_cast<uint32_t>(position));
  }
  append_pieces(text.substr(position), position, encoding, word);
  return encoding;
}

std::vector<Wordpiece::Piece> Wordpiece::longest_pieces(const BasicWord& word) const {
  const size_t count = word.characters.size();
  if (count > kMaxWordCharacters) return {};
  const auto offset = [&](size_t i) { return i < count ? word.characters[i].offset : word.text.size(); };
  std::vector<Piece> pieces;
  for (size_t first = 0; first < count; first = pieces.back().last) {
    const Index& index = first == 0 ? ids_ : continuations_;
    size_t last = count;
    while (offset(last) - offset(first) > longest_) --last;
    auto found = index.end();
    for (; last > first; --last) {
      found = index.find(std::string_view(word.text).substr(offset(first), offset(last) - offset(first)));
      if (found != index.end()) break;
    }
    if (last == first) return {};
    pieces.push_back({found->second, first, last});
  }
  return pieces;
}

void Wordpiece::append_pieces(std::string_view text, size_t origin, Encoding& encoding, int32_t& word) const {
  for (const BasicWord& basic : basic_words(text, origin, normalisation_)) {
    std::vector<Piece> pieces = longest_pieces(basic);
    if (pieces.empty()) pieces.push_back({unk_, 0, basic.characters.size()});
    for (const Piece& piece : pieces) {
      // Canonical reordering may exchange characters, so the first is not always the leftmost.
      uint32_t begin = basic.characters[piece.first].begin, end = basic.characters[piece.first].end;
      for (size_t i = piece.first + 1; i < piece.last; ++i) {
        begin = std::min(begin, basic.characters[i].begin);
        end = std::max(end, basic.characters[i].end);
      }
      push(encoding, piece.id, word, begin, end);
    }
    ++word;
  }
}

Encoding Wordpiece::sequence(const Encoding& pieces, size_t max_length) const {
  check(max_length >= 2, "tokenizer: max_length is ", max_length, ", expected at least 2 for [CLS] and [SEP]");
  Encoding out;
  push(out, cls_, -1, 0, 0);
  const size_t count = std::min(pieces.size(), max_length - 2);
  for (size_t i = 0; i < count; ++i) push(out, pieces.ids[i], pieces.words[i], pieces.begin[i], pieces.end[i]);
  push(out, sep_, -1, 0, 0);
  return out;
}

std::string Wordpiece::decode(const std::vector<int64_t>& ids) const {
  std::string text;
  for (const int64_t id : ids) {
    const std::string& piece = token(id);
    if (id == pad_ || id == cls_ || id == sep_) continue;
    if (is_continuation(id) && !text.empty())
      text += piece.substr(2);
    else
      text += (text.empty() ? "" : " ") + piece;
  }
  return text;
}

const std::string& Wordpiece::token(int64_t id) const {
  check(id >= 0 && id < static_cast<int64_t>(tokens_.size()), "tokenizer: token id is ", id, ", expected 0 to ",
        tokens_.size() - 1);
  return tokens_[static_cast<size_t>(id)];
}

int64_t Wordpiece::id(std::string_view token) const {
  const auto found = ids_.find(token);
  check(found != ids_.end(), "tokenizer: the vocabulary has no token '", token, "'");
  return found->second;
}

bool Wordpiece::is_special(int64_t id) const {
  return id == pad_ || id == unk_ || id == cls_ || id == sep_ || id == mask_;
}

}  // namespace tessera

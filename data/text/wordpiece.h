// WordPiece: words of the basic tokenisation are cut into the longest pieces that the vocabulary has, from left to
// right; pieces that do not begin a word are written with "##" (Devlin et al., "BERT", 2019).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/text/normalisation.h"

namespace tessera {

struct BasicWord;

// Every vocabulary has them, in any place; one that is made here has them first, in this order.
inline constexpr std::array<std::string_view, 5> kSpecialTokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

inline constexpr size_t kMaxWordCharacters = 100;  // a longer word is unknown

// A tokenised text; the four vectors have one entry per piece.
struct Encoding {
  std::vector<int64_t> ids;
  std::vector<int32_t> words;  // which word of the text, counted from 0 (punctuation counts); -1: [CLS] and [SEP]
  // Where the piece lies in the original text: BYTES of its UTF-8 form, not code points, end exclusive. A character
  // that gives several (a Hangul syllable) may be shared by two pieces. Characters that were dropped at the edge of a
  // piece (a combining accent, say) lie outside. [CLS] and [SEP] are empty: begin = end = 0.
  std::vector<uint32_t> begin, end;

  size_t size() const { return ids.size(); }
};

// Words of `encoding` that overlap bytes [begin, end) of the original text, ascending.
std::vector<int32_t> words_in_span(const Encoding& encoding, size_t begin, size_t end);

class Wordpiece {
 public:
  struct EncodeOptions {
    // Whether [PAD], [UNK], [CLS], [SEP] and [MASK] written in the text (in capitals, anywhere) are the special tokens.
    // Otherwise they are text like any other: '[', 'mask', ']'.
    bool special_tokens = false;
  };

  // A token's id is its index. Errors: a token that is empty, not UTF-8 or there twice; no [PAD], [UNK], [CLS], [SEP]
  // or [MASK]. `origin` begins the messages; a token's place is told as its line, from 1.
  explicit Wordpiece(std::vector<std::string> tokens, const std::string& origin = "vocabulary",
                     const Normalisation& normalisation = {});
  // vocab.txt as Hugging Face's tokenizer reads it: one token a line, LF or CR LF; a byte order mark, blanks at the end
  // of a line and an empty last line do not count. Or, going by its name (.json), tokenizer.json
  // (data/text/tokenizer_json.h). Of tokenizer_config.json beside either the normalisation is read.
  static Wordpiece from_file(const std::filesystem::path& path);
  static Wordpiece from_lines(std::string_view contents, const std::string& origin,
                              const Normalisation& normalisation = {});

  // Without [CLS] and [SEP]. A word that has no pieces, or more than kMaxWordCharacters (after normalisation), is one
  // [UNK].
  Encoding encode(std::string_view text, EncodeOptions options) const;
  Encoding encode(std::string_view text) const { return encode(text, EncodeOptions{}); }
  // [CLS], the first max_length - 2 pieces, [SEP]. max_length: at least 2.
  Encoding sequence(const Encoding& pieces, size_t max_length) const;
  // Words joined by blanks, continuations joined to their word; [PAD], [CLS] and [SEP] are left out.
  std::string decode(const std::vector<int64_t>& ids) const;

  size_t size() const { return tokens_.size(); }
  const std::vector<std::string>& tokens() const { return tokens_; }
  const Normalisation& normalisation() const { return normalisation_; }
  const std::string& token(int64_t id) const;
  int64_t id(std::string_view token) const;  // an unknown token is an error
  bool contains(std::string_view token) const { return ids_.contains(token); }
  bool is_continuation(int64_t id) const { return token(id).starts_with("##"); }
  bool is_special(int64_t id) const;

  int64_t pad_id() const { return pad_; }
  int64_t unk_id() const { return unk_; }
  int64_t cls_id() const { return cls_; }
  int64_t sep_id() const { return sep_; }
  int64_t mask_id() const { return mask_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Index = std::unordered_map<std::string, int64_t, Hash, std::equal_to<>>;

  struct Piece {
    int64_t id;
    size_t first, last;  // characters of the word
  };

  // Greedy longest match; empty if the word has more than 100 characters or some rest of it begins with no piece.
  std::vector<Piece> longest_pieces(const BasicWord& word) const;
  void append_pieces(std::string_view text, size_t origin, Encoding& encoding, int32_t& word) const;

  std::vector<std::string> tokens_;
  Index ids_;            // every token as it is written
  Index continuations_;  // tokens that begin with ##, without it
  size_t longest_ = 0;   // bytes of the longest token
  Normalisation normalisation_;
  int64_t pad_ = 0, unk_ = 0, cls_ = 0, sep_ = 0, mask_ = 0;
};

}  // namespace tessera

#include <memory>

#include "data/text/byte_pair.h"
#include "data/text/byte_pair_files.h"
#include "data/text/fix_text.h"
#include "data/text/python_strings.h"
#include "data/text/unicode.h"
#include "tests/fuzz/targets.h"

namespace tessera::fuzz {
namespace {

// tokenizer.json where it begins like JSON, vocab.json and merges.txt where a byte 0 stands between, else merges.
BytePairVocabulary vocabulary_in(std::string_view text) {
  const size_t zero = text.find('\0');
  if (zero != std::string_view::npos)
    return byte_pairs_from_vocab_json(text.substr(0, zero), "fuzz vocab", text.substr(zero + 1), "fuzz merges");
  if (text.starts_with('{')) return byte_pairs_from_tokenizer_json(text, "fuzz");
  return byte_pairs_from_merges(text, "fuzz", "<|startoftext|>", "<|endoftext|>");
}

// The definition: of the pairs that are in the list the first is joined everywhere, until there is none.
std::vector<int64_t> joined_naively(const BytePair& tokens, std::vector<std::string> symbols) {
  const auto& merges = tokens.vocabulary().merges;
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto& [left, right] : merges) {
      std::vector<std::string> next;
      for (size_t i = 0; i < symbols.size(); ++i) {
        const bool here = i + 1 < symbols.size() && symbols[i] == left && symbols[i + 1] == right;
        next.push_back(here ? left + right : symbols[i]);
        if (here) ++i;
      }
      changed = next.size() < symbols.size();
      symbols = std::move(next);
      if (changed) break;
    }
  }
  std::vector<int64_t> ids;
  for (const std::string& symbol : symbols) ids.push_back(tokens.id(symbol));
  return ids;
}

void check_ids(const std::vector<int64_t>& ids, const BytePair& tokens) {
  for (const int64_t id : ids)
    ensure(id >= 0 && id < static_cast<int64_t>(tokens.size()), "id ", id, " of ", tokens.size());
  ensure(unicode::is_utf8(tokens.decode(ids)), "decoding gave something else than UTF-8");
}

const BytePair& small_tokens(TextCleaning cleaning) {
  const auto make = [](TextCleaning kind) {
    return BytePair(byte_pairs_from_merges("#\na b\nab c\nt h\nth e</w>\n' s</w>\nÃ ©</w>\n", "small",
                                           "<|startoftext|>", "<|endoftext|>"),
                    {.cleaning = kind});
  };
  static const BytePair kinds[] = {make(TextCleaning::original), make(TextCleaning::unfixed),
                                   make(TextCleaning::transformers)};
  return kinds[static_cast<size_t>(cleaning)];
}

}  // namespace

void byte_pairs(Bytes bytes) {
  std::unique_ptr<BytePair> tokens;
  if (!accepted([&] { tokens = std::make_unique<BytePair>(vocabulary_in(as_text(bytes))); })) return;
  for (int64_t id = 0; id < static_cast<int64_t>(tokens->size()); ++id)
    ensure(tokens->id(tokens->token(id)) == id, "token ", id, " has another id");
  check_ids(tokens->encode("a cat's Café abab aaaa 12"), *tokens);
  if (tokens->vocabulary().merges.size() > 100) return;
  const std::vector<std::string> symbols = {"a", "b", "a", "a", "b", "c", "a", "a", "a", "b</w>"};
  ensure(tokens->encode("abaabcaaab") == joined_naively(*tokens, symbols), "the merges are applied in another order");
}

// Any bytes are a text.
void clean_text(Bytes bytes) {
  const std::string_view text = as_text(bytes);
  for (const TextCleaning cleaning : {TextCleaning::original, TextCleaning::unfixed, TextCleaning::transformers}) {
    const BytePair& tokens = small_tokens(cleaning);
    const std::vector<int64_t> ids = tokens.encode(text);
    check_ids(ids, tokens);
    const auto sequence = tokens.sequence(ids, 16, BytePair::TooLong::cut, BytePair::Padding::zero);
    ensure(sequence.size() == 16, "a sequence of ", sequence.size());
  }
  const std::u32string fixed = fix_text(python::decoded(text));
  ensure(unicode::is_utf8(python::encoded(fixed)), "the fixed text has something that is no character");
}

}  // namespace tessera::fuzz

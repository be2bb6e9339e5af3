// tokenizer.json and tokenizer_config.json, as Hugging Face's tokenizers and transformers write them beside a
// vocab.txt or instead of it. Of tokenizer.json is read:
//
//   model           has to be WordPiece, its unknown token [UNK], continuations with "##", at most 100 characters a
//                   word; vocab: {token: id}, every id from 0 once. Old files name no type
//   added_tokens    special tokens that the vocabulary may lack
//   normalizer      BertNormalizer: lowercase, strip_accents (null: as lowercase), handle_chinese_chars; clean_text has
//                   to be true
//   pre_tokenizer   has to be BertPreTokenizer
//   post_processor  none, or one that puts [CLS] before and [SEP] behind a text
//
// Every other kind of tokeniser is an error that names it. Lengths (truncation, padding) are the model's here, and the
// decoder is WordPiece's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "data/text/normalisation.h"
#include "data/text/wordpiece.h"

namespace tessera {

// What a file says of the normalisation; null where it says nothing.
struct GivenNormalisation {
  std::optional<bool> lower_case, isolate_ideographs;
  // null inside: as lower_case.
  std::optional<std::optional<bool>> strip_accents;
  Normalisation resolved() const;
};

// do_lower_case, strip_accents and tokenize_chinese_chars of tokenizer_config.json.
GivenNormalisation given_normalisation(std::string_view config_json, const std::string& origin);

// `given` (tokenizer_config.json) counts before the file's normalizer, as in transformers. Errors begin with `origin`.
Wordpiece wordpiece_from_json(std::string_view json, const std::string& origin, const GivenNormalisation& given = {});

// tokenizer_config.json for transformers' BertTokenizer.
std::string tokenizer_config_json(const Normalisation& normalisation, int64_t max_length);

}  // namespace tessera

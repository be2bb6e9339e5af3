// The files that hold the merges and the vocabulary of byte-level BPE, read and written.
//
//   *.gz, *.txt    the published form (bpe_simple_vocab_16e6.txt.gz): a line that is not used, then a merge a line, two
//                  tokens with a blank between. The vocabulary follows from it: the 256 bytes, the same with "</w>",
//                  what the merges join, start and end. As in the published code, of more than 48,894 merges the others
//                  are not used. Packed by gzip or Zstandard, or not
//   vocab.json     Hugging Face's two files: {token: id}, every id from 0 once, and merges.txt beside it, a merge a
//   line
//                  behind lines that begin with "#version"; of merges the same number
//   tokenizer.json Hugging Face's one file: a model of type BPE with end_of_word_suffix "</w>", its vocab and merges;
//                  added_tokens that the vocabulary may lack. The normalizer has to be NFC, Replace and Lowercase, the
//                  pre_tokenizer Split and ByteLevel, as CLIP has them; other tokenizers are errors that name them
//
// Errors begin with the file's name and tell the line.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "data/text/byte_pair.h"

namespace tessera {

inline constexpr size_t kMostMerges = 49408 - 512 - 2;  // those of the published file that are used: 48,894

// Any of the three, by its name. `start` and `end` are the special tokens of the first form.
BytePairVocabulary read_byte_pairs(const std::filesystem::path& path, const std::string& start, const std::string& end);

// The same of contents that are not packed.
BytePairVocabulary byte_pairs_from_merges(std::string_view merges, const std::string& origin, const std::string& start,
                                          const std::string& end);
BytePairVocabulary byte_pairs_from_vocab_json(std::string_view vocab_json, const std::string& vocab_origin,
                                              std::string_view merges, const std::string& merges_origin);
BytePairVocabulary byte_pairs_from_tokenizer_json(std::string_view json, const std::string& origin);

// The published form, packed by gzip where the name ends in ".gz". Errors: tokens that are not what
// byte_pairs_from_merges would make of the merges.
void write_byte_pairs(const std::filesystem::path& path, const BytePairVocabulary& vocabulary);
// vocab.json and merges.txt in a folder that exists.
void write_byte_pair_json(const std::filesystem::path& folder, const BytePairVocabulary& vocabulary);

}  // namespace tessera

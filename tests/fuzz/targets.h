// Fuzz targets: one function for each reader of untrusted bytes, called with bytes that nobody can foresee.
//
// A reader may do two things with its input: read it, or throw tessera::Error. Anything else that leaves a target is a
// finding: another exception, a report of a sanitizer, too much memory or time, and a `Violation`, which targets throw
// when what was read contradicts itself. libFuzzer drives them in `./test --fuzz` (driver.cpp); the unit tests run each
// over its corpus (replay_test.cpp).
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string_view>

#include "tensor/error.h"

namespace tessera::fuzz {

using Bytes = std::span<const uint8_t>;

void annotations(Bytes bytes);   // annotations.jsonl of a small data set
void boxes(Bytes bytes);         // a list of boxes with scores
void byte_pairs(Bytes bytes);    // merges and vocabularies of byte-level BPE
void clean_text(Bytes bytes);    // any text, cleaned and tokenised by it
void clip_weights(Bytes bytes);  // the configuration that a file of CLIP's weights tells
void config(Bytes bytes);        // config.json
void dataset(Bytes bytes);       // a captions file, in every layout
void event_file(Bytes bytes);    // TensorBoard's records
void file_kind(Bytes bytes);     // the words for a file that is something else
void gif(Bytes bytes);
void jpeg(Bytes bytes);
void model_config(Bytes bytes);       // config.json of the systems in models/
void nlvr2(Bytes bytes);              // statements about pairs of pictures
void nlvr2_predictions(Bytes bytes);  // identifier,prediction
void orientation(Bytes bytes);        // the TIFF block of EXIF
void pickle(Bytes bytes);
void picture_index(Bytes bytes);  // of vilt search
void png(Bytes bytes);
void preprocessing(Bytes bytes);  // preprocessor_config.json
void query(Bytes bytes);          // a line of a file of queries
void regions(Bytes bytes);        // a file of regions
void safetensors(Bytes bytes);
void scores(Bytes bytes);         // a file of scores of pairs
void serve_request(Bytes bytes);  // of `vilt serve`: bodies, names of pictures, hosts
void settings(Bytes bytes);       // TOML
void shard(Bytes bytes);          // a tar shard, packed or not: its members and its samples
void tar_index(Bytes bytes);      // the index beside a tar shard
void tokenizer(Bytes bytes);      // tokenizer.json and tokenizer_config.json
void torch_file(Bytes bytes);     // the pickle of a torch file, with storages beside it
void shard_index(Bytes bytes);    // model.safetensors.index.json
void vocabulary(Bytes bytes);     // vocab.txt
void vqa(Bytes bytes);            // questions and annotations
void vqa_list(Bytes bytes);       // rows of picture, question and answer
void webp(Bytes bytes);
void weights(Bytes bytes);      // the configuration that a file of weights tells
void wordpiece(Bytes bytes);    // any text, tokenised
void zip_archive(Bytes bytes);  // a torch file as a whole

struct Target {
  const char* name;  // of its folder in corpus/
  void (*run)(Bytes bytes);
};
inline constexpr Target kTargets[] = {
    {"annotations", &annotations},
    {"boxes", &boxes},
    {"byte_pairs", &byte_pairs},
    {"clean_text", &clean_text},
    {"clip_weights", &clip_weights},
    {"config", &config},
    {"dataset", &dataset},
    {"event_file", &event_file},
    {"file_kind", &file_kind},
    {"gif", &gif},
    {"jpeg", &jpeg},
    {"model_config", &model_config},
    {"nlvr2", &nlvr2},
    {"nlvr2_predictions", &nlvr2_predictions},
    {"orientation", &orientation},
    {"pickle", &pickle},
    {"picture_index", &picture_index},
    {"png", &png},
    {"preprocessing", &preprocessing},
    {"query", &query},
    {"regions", &regions},
    {"safetensors", &safetensors},
    {"scores", &scores},
    {"serve_request", &serve_request},
    {"settings", &settings},
    {"shard", &shard},
    {"shard_index", &shard_index},
    {"tar_index", &tar_index},
    {"tokenizer", &tokenizer},
    {"torch_file", &torch_file},
    {"vocabulary", &vocabulary},
    {"vqa", &vqa},
    {"vqa_list", &vqa_list},
    {"webp", &webp},
    {"weights", &weights},
    {"wordpiece", &wordpiece},
    {"zip_archive", &zip_archive},
};

class Violation : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

template <class... Parts>
void ensure(bool holds, const Parts&... parts) {
  if (!holds) throw Violation(text(parts...));
}

// Whether `read` came to its end; false when it refused its input.
template <class Read>
bool accepted(const Read& read) {
  try {
    read();
    return true;
  } catch (const Error&) {
    return false;
  }
}

inline std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace tessera::fuzz

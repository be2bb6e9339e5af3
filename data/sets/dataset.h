// Pictures with captions: the COCO-Karpathy JSON layout plus an image folder (docs/data.md), with optional annotations.
//
//   {"images": [{"filename": "a.jpg", "filepath": "train2014" (optional), "imgid": 0, "split": "train",
//                "sentences": [{"raw": "a red ring", "sentid": 0}]}]}
//
// Other fields are ignored. The file is untrusted: every error names the file, the image and the field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/sets/annotations.h"

namespace tessera {

struct DatasetOptions {
  std::vector<std::string> splits;    // empty: all. "train" includes Karpathy's "restval"
  std::filesystem::path annotations;  // empty: none
  bool check_files = true;            // that the image files of these splits exist
};

struct DatasetImage {
  int64_t id = 0;
  std::filesystem::path path;
  std::string split;           // "restval" is given as "train"
  int64_t first_sentence = 0;  // its sentences are first_sentence ... first_sentence + sentence_count - 1
  int64_t sentence_count = 0;
};

struct DatasetSentence {
  int64_t id = 0;
  int64_t image = 0;        // index into images()
  std::string text;         // as in the file, without the line end that some captions have
  int64_t annotation = -1;  // see Dataset::annotation
};

// Captions that repeat an earlier one of the same image are left out. Ids are unique in the file, over all splits.
class Dataset {
 public:
  static Dataset open(const std::filesystem::path& json_file, const std::filesystem::path& image_folder,
                      const DatasetOptions& options = {});
  // The same from the contents of the JSON file and of options.annotations; the files' paths are for messages.
  static Dataset parse(std::string_view captions, std::string_view annotations, const std::filesystem::path& json_file,
                       const std::filesystem::path& image_folder, const DatasetOptions& options = {});

  const std::vector<DatasetImage>& images() const { return images_; }
  const std::vector<DatasetSentence>& sentences() const { return sentences_; }
  int64_t repeated_captions() const { return repeated_captions_; }

  // Index of the image with this id; -1 if there is none in the chosen splits.
  int64_t image_index(int64_t image_id) const;
  // The annotation of a sentence (by index), or null.
  const Annotation* annotation(int64_t sentence) const;
  // Index of the image that is the sentence's hard negative. Needs the field `sibling`.
  int64_t sibling(int64_t sentence) const;
  // Throws unless every sentence has the field; `option` is what needs it, as the user wrote it.
  void require(AnnotationField field, std::string_view option) const;

 private:
  friend class DatasetReader;
  std::vector<DatasetImage> images_;
  std::vector<DatasetSentence> sentences_;
  std::vector<Annotation> annotations_;
  std::unordered_map<int64_t, int64_t> image_index_;
  std::string file_;
  std::string annotations_file_;
  int64_t repeated_captions_ = 0;
};

}  // namespace tessera

// Pictures with captions: a captions file plus an image folder (docs/data.md), with optional annotations. Whatever its
// layout (data/sets/layouts.h), a captions file says what the COCO-Karpathy layout does:
//
//   {"images": [{"filename": "a.jpg", "filepath": "train2014" (optional), "imgid": 0, "split": "train",
//                "sentences": [{"raw": "a red ring", "sentid": 0}]}]}
//
// Other fields are ignored, and the files may be of any size: they are read piece by piece. They are untrusted: every
// error names the file, the image and the field.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/sets/annotations.h"
#include "data/sets/id_index.h"
#include "data/text/text_arena.h"

namespace tessera {

struct DatasetOptions {
  std::vector<std::string> splits;    // empty: all. "train" includes Karpathy's "restval"
  std::filesystem::path annotations;  // empty: none
  bool check_files = true;            // that the image files of these splits exist
  int64_t max_missing = 0;            // so many of them need not
};

// Texts are the data set's: they live as long as it, or a copy of it, does.
struct DatasetImage {
  int64_t id = 0;
  std::string_view file;       // with the image folder
  std::string_view split;      // "restval" is given as "train"
  int64_t first_sentence = 0;  // its sentences are first_sentence ... first_sentence + sentence_count - 1
  int64_t sentence_count = 0;
  bool missing = false;  // there was no such file when the data set was opened

  std::filesystem::path path() const { return file; }
};

struct DatasetSentence {
  int64_t id = 0;
  int64_t image = 0;        // index into images()
  std::string_view text;    // as in the file, without the line end that some captions have
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

  // The images of one of the splits that were opened, as if it alone had been: the file is then read once for them all.
  Dataset part(std::string_view split) const;
  // The images whose files are there: for figures of a whole split, whereas a training draws others for those that
  // cannot be used. No annotation has a missing sibling.
  Dataset without_missing() const;

  const std::vector<DatasetImage>& images() const { return images_; }
  const std::deque<DatasetSentence>& sentences() const { return sentences_; }

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
  void check_sibling(const Annotation& annotation) const;
  template <class Chosen>
  Dataset chosen_images(const Chosen& chosen) const;

  std::vector<DatasetImage> images_;
  std::deque<DatasetSentence> sentences_;  // grows without moving: twice the memory of them all is much
  std::vector<Annotation> annotations_;
  IdIndex image_index_;  // of all splits; -1: of one that is not chosen
  std::shared_ptr<TextArena> texts_ =
      std::make_shared<TextArena>();  // whole after reading, so that copies can share it
  std::string file_;
  std::string annotations_file_;
};

}  // namespace tessera

// Pictures with captions: a captions file plus an image folder (docs/data.md), with optional annotations. The file has
// one of the layouts in which data sets are published (data/sets/layouts.h), and may be of any size: it is read piece
// by piece. It is untrusted: every error names the file, the image and the field.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/sets/annotations.h"
#include "data/sets/id_index.h"
#include "data/text/text_arena.h"
#include "io/files.h"

namespace tessera {

class ShardSet;

struct DatasetOptions {
  std::vector<std::string> splits = {};    // empty: all. "train" includes Karpathy's "restval"
  std::filesystem::path annotations = {};  // empty: none
  bool check_files = true;                 // that the image files of these splits exist
  int64_t max_missing = 0;                 // so many of them need not, and so many lines of a list may be damaged
  std::string kind = "auto";               // of the captions file's layout; "auto": its beginning tells
  std::string remaining_split =
      {};  // of pictures of which nothing tells their split; empty: some are held out (splits.h)
};

// Texts are the data set's: they live as long as it, or a copy of it, does.
struct DatasetImage {
  int64_t id = 0;
  std::string_view file;       // with the image folder
  std::string_view split;      // "restval" is given as "train"
  int64_t first_sentence = 0;  // its sentences are first_sentence ... first_sentence + sentence_count - 1
  int64_t sentence_count = 0;
  bool missing = false;  // there was no such file when the data set was opened
  // Of a picture in tar shards: which of the data set's shards, from 1 on, and its sample there. `file` is a name then.
  uint16_t shards = 0;
  uint32_t sample = 0;

  std::filesystem::path path() const { return file; }
};

struct DatasetSentence {
  int64_t id = 0;
  int64_t image = 0;        // index into images()
  std::string_view text;    // as in the file, without the line end that some captions have
  int64_t annotation = -1;  // see Dataset::annotation
};

// What was found beside captions, for the user.
struct DatasetRemarks {
  std::string layout;                     // "COCO's own captions (data.kind = \"coco\")"
  int64_t left_out = 0;                   // damaged lines
  std::vector<std::string> reasons;       // of the first ten of them
  std::vector<std::string> notes;         // a sentence each
  std::map<std::string, int64_t> splits;  // of the whole file, with their numbers of images
};

// Captions that repeat an earlier one of the same image are left out. Ids are unique in the file, over all splits.
class Dataset {
 public:
  // `captions` is a file, the folder of a layout that is one, or names tar shards (data/shards/sources.h), in which the
  // pictures are, too.
  static Dataset open(const std::filesystem::path& captions, const std::filesystem::path& image_folder,
                      const DatasetOptions& options = {});
  // The same from the contents of a captions file and of options.annotations; the files' paths are for messages.
  static Dataset parse(std::string_view captions, std::string_view annotations, const std::filesystem::path& file,
                       const std::filesystem::path& image_folder, const DatasetOptions& options = {});

  // The bytes of a picture's file, wherever it lies, and its name for messages.
  std::vector<uint8_t> read_picture(int64_t image, uint64_t limit = kDefaultFileLimit) const;
  std::string picture_name(int64_t image) const;

  // The images of one of the splits that were opened, as if it alone had been: the file is then read once for them all.
  Dataset part(std::string_view split) const;
  // The images whose files are there: for figures of a whole split, whereas a training draws others for those that
  // cannot be used. No annotation has a missing sibling.
  Dataset without_missing() const;

  // All of them as one, in order, with new ids. What is drawn from it belongs to one of part_sizes().
  static Dataset joined(const std::vector<Dataset>& sets);

  // The numbers of sentences of the data sets that this was joined of; none of one that was not.
  const std::vector<int64_t>& part_sizes() const { return part_sizes_; }
  const DatasetRemarks& remarks() const { return remarks_; }
  const std::vector<DatasetImage>& images() const { return images_; }
  const std::deque<DatasetSentence>& sentences() const { return sentences_; }

  // Index of the image with this id; -1 if there is none in the chosen splits.
  int64_t image_index(int64_t image_id) const;
  // In which pictures are that lie in no files of their own.
  const std::vector<std::shared_ptr<const ShardSet>>& shards() const { return shards_; }
  // The annotation of a sentence (by index), or null.
  const Annotation* annotation(int64_t sentence) const;
  // Index of the image that is the sentence's hard negative. Needs the field `sibling`.
  int64_t sibling(int64_t sentence) const;
  // Throws unless every sentence has the field; `option` is what needs it, as the user wrote it.
  void require(AnnotationField field, std::string_view option) const;

 private:
  friend class DatasetReader;
  void check_sibling(const Annotation& annotation) const;
  Dataset chosen_images(const std::function<bool(const DatasetImage&)>& chosen) const;

  std::vector<DatasetImage> images_;
  std::deque<DatasetSentence> sentences_;  // grows without moving: twice the memory of them all is much
  std::vector<Annotation> annotations_;
  IdIndex image_index_;  // of all splits; -1: of one that is not chosen
  std::vector<std::shared_ptr<const ShardSet>> shards_;
  std::vector<std::shared_ptr<TextArena>> joined_texts_;
  std::vector<int64_t> part_sizes_;
  std::shared_ptr<TextArena> texts_ =
      std::make_shared<TextArena>();  // whole after reading, so that copies can share it
  std::string file_;
  std::string annotations_file_;
  DatasetRemarks remarks_;
};

}  // namespace tessera

// Makes a Dataset of what a layout says. Internal to data/sets/.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/sets/dataset.h"
#include "data/sets/records.h"

namespace tessera {

class DatasetReader : public RecordSink {
 public:
  DatasetReader(const std::filesystem::path& file, const std::filesystem::path& folder, const DatasetOptions& options);

  // `contents`: none where the captions are a folder.
  void read(TextPieces contents);
  void attach_annotations(const TextPieces& contents);
  Dataset take() { return std::move(dataset_); }

  void picture(const PictureRecord& record, const std::string& where) override;
  void caption_of(int64_t picture, const CaptionText& caption, const std::string& where) override;
  void leave_out(const std::string& reason) override;
  void shards(std::shared_ptr<const ShardSet> shards) override { dataset_.shards_ = {std::move(shards)}; }
  void pass_over(const char* what) override { ++passed_over_[what]; }

 private:
  struct LateCaption {
    int64_t image, id;
    std::string_view text;
  };

  std::string_view split_of(const PictureRecord& record, const std::string& where);
  void check_captions(const PictureRecord& record, const std::string& where) const;
  std::string normal_name(std::string_view file) const;
  void add_again(int64_t image, const PictureRecord& record, std::string_view split, const std::string& where);
  bool add_to_latest(int64_t image, int64_t id, std::string_view caption);
  std::string caption_place(const PictureRecord& record, size_t index) const;
  // Takes the caption's number in the file, or the next one.
  int64_t add_caption_id(int64_t id);
  bool wanted(std::string_view split) const;

  void finish();
  void arrange();  // late captions beside the others of their image; images without captions go
  void divide();   // gives those images a split that have none
  void index_captions();
  void check_splits() const;
  void check_left_out() const;
  void check_missing();
  void attach(Annotation&& annotation);

  std::filesystem::path file_, folder_;
  DatasetOptions options_;
  Dataset dataset_;
  FieldNames names_of_fields_;
  std::string_view file_split_;  // that the name of the captions file tells

  IdIndex sentence_index_;  // of all splits; -1: of one that is not chosen, or a repeated caption
  int64_t next_picture_ = 0, next_caption_ = 0;
  TextArena names_;
  std::unordered_map<std::string_view, int64_t> files_;  // of all splits, below the image folder; -1: not chosen
  std::map<std::string_view, int64_t> split_sizes_;
  bool has_split_fields_ = false;
  std::vector<uint64_t> split_keys_;  // of the images without a split, in order
  std::vector<LateCaption> late_;
  std::map<std::string_view, int64_t> passed_over_;
};

}  // namespace tessera

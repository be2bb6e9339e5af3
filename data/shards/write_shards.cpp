#include "data/shards/write_shards.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "data/images/image.h"
#include "data/sets/fingerprint.h"
#include "data/shards/shard_folder.h"
#include "io/file_kind.h"
#include "io/files.h"
#include "io/output_file.h"
#include "io/printable.h"
#include "io/sha256.h"
#include "io/tar_writer.h"
#include "tensor/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using Ordered = nlohmann::ordered_json;

constexpr int kFormatVersion = 2;  // to be raised whenever the same data set gives other bytes than before

struct PictureFile {
  const char* extension;
  std::string bytes;
};

// The picture's file, or one of a kind that every reader of shards knows.
PictureFile read_picture(const Dataset& dataset, int64_t image) {
  constexpr uint64_t kLargest = uint64_t{128} << 20;  // that of a sample that is read, by half
  const std::vector<uint8_t> bytes = dataset.read_picture(image, kLargest);
  const std::string kind = file_kind(bytes);
  const auto as_string = [](const std::vector<uint8_t>& data) { return std::string(data.begin(), data.end()); };
  if (kind == "a JPEG picture") return {"jpg", as_string(bytes)};
  if (kind == "a PNG picture") return {"png", as_string(bytes)};
  return {"png", as_string(encode_png(decode_image(bytes, dataset.picture_name(image))))};
}

std::string sample_key(int64_t number) {
  std::string digits = std::to_string(number);
  return digits.size() < 9 ? std::string(9 - digits.size(), '0') + digits : digits;
}

std::string_view below(std::string_view file, const std::string& folder) {
  if (file.starts_with(folder)) file.remove_prefix(folder.size());
  while (file.starts_with('/')) file.remove_prefix(1);
  return file;
}

class ShardWriter {
 public:
  ShardWriter(const Dataset& dataset, const std::string& image_folder, const fs::path& out,
              const WriteShardsOptions& options)
      : dataset_(dataset),
        image_folder_(image_folder),
        options_(options),
        folder_(out, options.prefix, origin(dataset, image_folder, options)) {
    check(options.most_samples >= 1 && options.most_bytes >= 1, "shards: at most ", options.most_samples,
          " samples and ", options.most_bytes, " bytes in a shard, expected at least 1 of both");
  }

  WrittenShards run(const ProgressCallback& progress) {
    for (ShardSummary& shard : folder_.open(options_.force)) count(std::move(shard));
    const int64_t found = std::ssize(shards_);
    const auto images = static_cast<int64_t>(dataset_.images().size());
    for (int64_t image = begin_; image < images; ++image) {
      if (progress) progress(image, images);
      add_image(image);
    }
    if (file_) end_shard(images);
    if (progress) progress(images, images);
    check(totals_.samples > 0, "shards: none of the ", images, " pictures can be used");
    folder_.finish(shards_);
    totals_.found = found;
    return totals_;
  }

 private:
  static Ordered origin(const Dataset& dataset, const std::string& image_folder, const WriteShardsOptions& options) {
    Ordered data;
    for (const auto& [what, value] : fingerprint(dataset, image_folder)) data[what] = value;
    return {{"generator", "tessera shards"},
            {"version", kFormatVersion},
            {"data", data},
            {"most_bytes", options.most_bytes},
            {"most_samples", options.most_samples}};
  }

  void count(ShardSummary shard) {
    totals_.shards += 1;
    totals_.samples += shard.samples;
    totals_.captions += shard.captions;
    totals_.bytes += shard.bytes;
    totals_.left_out.insert(totals_.left_out.end(), shard.left_out.begin(), shard.left_out.end());
    begin_ = shard.end_image;
    shards_.push_back(std::move(shard));
  }

  void add_image(int64_t index) {
    const DatasetImage& image = dataset_.images()[static_cast<size_t>(index)];
    PictureFile picture;
    try {
      picture = read_picture(dataset_, index);
    } catch (const Error& error) {
      leave_out(image, error.what());
      return;
    }
    const std::string key = sample_key(totals_.samples + shard_.samples);
    // The order in which other programs sort them.
    const bool after_json = picture.extension > std::string_view("json");
    const std::string picture_member = tar_member(key + "." + picture.extension, picture.bytes);
    const std::string record = tar_member(key + ".json", record_of(image));
    const std::string sample = (after_json ? record + picture_member : picture_member + record) +
                               tar_member(key + ".txt", sentence(image, 0).text);
    if (file_ && (shard_.samples == options_.most_samples ||
                  file_->size() + sample.size() + tar_end().size() > options_.most_bytes))
      end_shard(index);
    if (!file_) file_ = std::make_unique<OutputFile>(folder_.shard_path(shards_.size()));
    index_ += sample_line(key, file_->size(), sample.size(), image.sentence_count);
    write(sample);
    ++shard_.samples;
    shard_.captions += image.sentence_count;
    ++shard_.splits[std::string(image.split)];
  }

  void leave_out(const DatasetImage& image, const std::string& reason) {
    shard_.left_out.push_back({std::string(image.file), reason});
    const int64_t bad = std::ssize(totals_.left_out) + std::ssize(shard_.left_out);
    check(bad <= options_.max_bad_files, "shards: ", bad, bad == 1 ? " picture" : " pictures",
          " cannot be used, more than --max-bad-files (", options_.max_bad_files, "); the last: ", reason);
  }

  void write(std::string_view bytes) {
    file_->write(bytes);
    hash_.add(bytes);
  }

  // `end`: the picture with which the next one begins. The index is put in place first: a shard that is there has one.
  void end_shard(int64_t end) {
    write(tar_end());
    const fs::path path = folder_.shard_path(shards_.size());
    shard_.shard = path.filename().string();
    shard_.bytes = file_->size();
    shard_.sha256 = hash_.hexadecimal();
    shard_.first_image = begin_;
    shard_.end_image = end;
    write_file_atomically(index_path(path), std::string_view(summary_line(shard_) + index_), Durability::power);
    file_->put_in_place(Durability::power);
    file_.reset();
    index_.clear();
    count(std::exchange(shard_, {}));
  }

  const DatasetSentence& sentence(const DatasetImage& image, int64_t i) const {
    return dataset_.sentences()[static_cast<size_t>(image.first_sentence + i)];
  }

  std::string record_of(const DatasetImage& image) const {
    Ordered ids = Ordered::array(), captions = Ordered::array();
    for (int64_t i = 0; i < image.sentence_count; ++i) {
      ids.push_back(sentence(image, i).id);
      captions.push_back(sentence(image, i).text);
    }
    const Ordered record = {{"imgid", image.id}, {"split", image.split}, {"file", below(image.file, image_folder_)},
                            {"sentids", ids},    {"captions", captions}, {"caption", captions[0]}};
    return record.dump(-1, ' ', false, Ordered::error_handler_t::replace);
  }

  const Dataset& dataset_;
  std::string image_folder_;
  WriteShardsOptions options_;
  ShardFolder folder_;
  std::vector<ShardSummary> shards_;
  WrittenShards totals_;

  ShardSummary shard_;  // that which is being written
  int64_t begin_ = 0;   // its first picture
  std::string index_;   // its samples
  std::unique_ptr<OutputFile> file_;
  Sha256 hash_;
};

}  // namespace

WrittenShards write_shards(const Dataset& dataset, const std::string& image_folder, const fs::path& out,
                           const WriteShardsOptions& options, const ProgressCallback& progress) {
  return ShardWriter(dataset, image_folder, out, options).run(progress);
}

}  // namespace tessera

// Samples of tar shards, as WebDataset has them: members of one key that stand together are the parts of one sample.
//
//   key        the member's path up to the first dot of its last part: "train.v2/a.b/000000001"
//   extension  the rest, in lower case: "jpg", "seg.png"
//
// What a shard holds is untrusted, and nothing of it is ever written under the names that it gives. Members are left
// out, by name and with the reason, and the rest is read: links, devices, sparse files, names that are absolute, have
// ".." as a part or are not UTF-8, a key that comes again later (its parts are not merged: a shard whose parts are not
// together would need all of it in memory), a part that comes twice (the first counts), parts beyond the limit.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "io/tar.h"

namespace tessera {

struct ShardPart {
  std::string extension;
  std::string data;
};

struct ShardSample {
  std::string key;
  std::vector<ShardPart> parts;  // in the shard's order, each extension once
  uint64_t begin = 0, end = 0;   // where its members stand in the unpacked shard

  const ShardPart* find(std::string_view extension) const;
};

struct SkippedMember {
  enum class Kind : uint8_t {
    refused,  // damaged or dangerous, or not where it belongs
    ignored,  // nothing that could be part of a sample: a folder, a name without extension, metadata (__x__)
  };
  Kind kind;
  std::string name;  // any bytes
  std::string reason;
};

struct ShardOptions {
  uint64_t most_sample_bytes = uint64_t{256} << 20;  // of all parts of one sample; the part that is too much is refused
  std::function<void(const SkippedMember&)> on_skipped;
};

class ShardReader {
 public:
  // `name` begins every message.
  ShardReader(TextPieces pieces, const std::string& name, ShardOptions options = {});

  // The next sample with at least one part; none at the end. Where the shard cannot be read on it ends, too: after the
  // sample before, unless the member that is cut belongs to it.
  std::optional<ShardSample> next();
  // Why the shard cannot be read on; no text if it was read to its end, or has not been yet.
  const std::string& error() const { return error_; }
  // Whether a sample can be read by itself, from its begin on, as it is read here.
  bool samples_stand_alone() const { return !tar_.members_need_global_header(); }

 private:
  std::optional<ShardSample> read_member();
  std::optional<ShardSample> begin_sample(const std::string& key, uint64_t position);
  void read_part(const TarMember& member, std::string extension);
  void skipped(SkippedMember::Kind kind, const TarMember& member, std::string reason) const;

  TarReader tar_;
  ShardOptions options_;
  ShardSample current_;
  bool key_came_before_ = false;  // that of the present run of members
  bool begun_ = false, ended_ = false;
  uint64_t bytes_ = 0;                 // of the present sample
  std::unordered_set<uint64_t> keys_;  // hashes of those that have been: a name may be long, and a shard have millions
  std::string error_;
};

// What image-text training takes from a sample.
struct ImageText {
  const ShardPart* image = nullptr;  // jpg, jpeg or png
  std::string caption;               // txt, or else the string "caption" of json; without blanks at its ends
  std::string unusable;              // why the sample cannot serve; no text if it can
};
ImageText image_text(const ShardSample& sample);

// The captions of a usable sample: the list "captions" of json, as this program writes it (data/shards/write_shards.h),
// where its first is the caption; or else that alone.
std::vector<std::string> all_captions(const ShardSample& sample, const ImageText& pair);

}  // namespace tessera

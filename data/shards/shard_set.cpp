#include "data/shards/shard_set.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "data/sets/fingerprint.h"
#include "data/shards/sample.h"
#include "io/printable.h"
#include "io/tar_header.h"
#include "io/words.h"
#include "tensor/error.h"

namespace tessera {
namespace {

constexpr size_t kShardReasons = 10;

// The shard that holds a number of these, of which each shard begins with one.
int64_t place_in(const std::vector<int64_t>& firsts, int64_t number) {
  return std::upper_bound(firsts.begin(), firsts.end(), number) - firsts.begin() - 1;
}

// So many that the shards of two windows and what is read behind them stay open, but few enough for any system.
size_t most_open(const std::vector<ShardIndex>& indexes, int64_t window) {
  int64_t captions = 0;
  for (const ShardIndex& index : indexes) captions += index.captions();
  const auto shards = static_cast<double>(indexes.size());
  const double of_window =
      std::ceil(shards * static_cast<double>(window) / static_cast<double>(std::max<int64_t>(1, captions)));
  return static_cast<size_t>(std::clamp(2 * of_window + 2, 4.0, 128.0));
}

// The bytes of a shard between two places.
TextPieces part_of(std::shared_ptr<const OpenShard> shard, uint64_t begin, uint64_t end) {
  static constexpr size_t kPiece = 64 << 10;
  auto piece = std::make_shared<std::vector<char>>(kPiece);
  return [shard = std::move(shard), piece, begin, end]() mutable -> std::string_view {
    if (begin >= end) return {};
    const size_t got = shard->read(begin, piece->data(), static_cast<size_t>(std::min<uint64_t>(kPiece, end - begin)));
    begin += got;
    return {piece->data(), got};
  };
}

}  // namespace

ShardSet::ShardSet(const std::vector<std::string>& shards, IndexedShards found, const ShardSetOptions& options)
    : indexes_(std::move(found.indexes)), files_(shards, most_open(indexes_, options.window)) {
  remarks_.indexed = found.made;
  remarks_.not_kept = std::move(found.not_kept);
  for (const ShardIndex& index : indexes_) count(index);
  std::string reasons;
  for (const std::string& reason : remarks_.reasons) reasons += "\n  " + reason;
  check(remarks_.left_out <= options.most_bad, "shards: ", with_thousands(remarks_.left_out),
        remarks_.left_out == 1 ? " sample cannot be used" : " samples cannot be used", "; at most ", options.most_bad,
        " may be left out (data.max_bad_files):", reasons);
  check(samples() > 0, "shards: not one sample of ", shards.empty() ? "them" : shown(shards[0]),
        shards.size() > 1 ? " and the others" : "", " can be used", reasons.empty() ? "" : ":", reasons);
}

void ShardSet::count(const ShardIndex& index) {
  const ShardSummary& summary = index.summary;
  first_samples_.push_back(samples() + index.samples());
  first_captions_.push_back(captions() + index.captions());
  for (const auto& [split, samples] : summary.splits) remarks_.splits[split] += samples;
  for (const LeftOutSample& one : summary.first_unusable) leave_out(1, one.reason);
  remarks_.left_out += summary.unusable - std::ssize(summary.first_unusable);
  // Of one whose index does not fit, all that it had.
  if (!summary.error.empty()) leave_out(std::max<int64_t>(1, summary.samples - index.samples()), summary.error);
}

void ShardSet::leave_out(int64_t samples, const std::string& reason) {
  remarks_.left_out += samples;
  if (remarks_.reasons.size() < kShardReasons) remarks_.reasons.push_back(reason);
}

std::vector<int64_t> ShardSet::captions_of_shards() const {
  std::vector<int64_t> out;
  for (const ShardIndex& index : indexes_) out.push_back(index.captions());
  return out;
}

int64_t ShardSet::shard_of(int64_t sample) const { return place_in(first_samples_, sample); }

int64_t ShardSet::sample_of(int64_t caption) const {
  const auto shard = static_cast<size_t>(place_in(first_captions_, caption));
  return first_samples_[shard] + indexes_[shard].sample_of(caption - first_captions_[shard]);
}

int64_t ShardSet::first_caption(int64_t sample) const {
  const auto shard = static_cast<size_t>(shard_of(sample));
  return first_captions_[shard] + indexes_[shard].first_caption(sample - first_samples_[shard]);
}

std::string ShardSet::place(int64_t sample) const {
  const auto shard = static_cast<size_t>(shard_of(sample));
  return text(shown(files_.name(shard)), ": the sample at byte ",
              uint64_t{indexes_[shard].blocks[static_cast<size_t>(sample - first_samples_[shard])]} * kTarBlock);
}

ShardSet::Sample ShardSet::read(int64_t sample) const {
  const auto shard = static_cast<size_t>(shard_of(sample));
  const ShardIndex& index = indexes_[shard];
  const auto number = static_cast<size_t>(sample - first_samples_[shard]);
  const uint64_t begin = uint64_t{index.blocks[number]} * kTarBlock;
  const uint64_t end = number + 1 < index.blocks.size() ? uint64_t{index.blocks[number + 1]} * kTarBlock : index.end;
  ShardReader reader(part_of(files_.open(shard), begin, end), place(sample));
  const std::optional<ShardSample> found = reader.next();
  check(reader.error().empty(), reader.error());
  check(found && found->begin == 0 && shard_key_hash(found->key) == index.key_hashes[number], place(sample),
        " is not that of its index: the shard is damaged, or another one whose index has to be removed");
  const ImageText pair = image_text(*found);
  Sample out{text(shown(files_.name(shard)), ": ", shown(found->key)), {}, {}};
  check(pair.unusable.empty(), out.name, ": ", pair.unusable);
  out.captions = all_captions(*found, pair);
  const int64_t captions = index.captions_of(static_cast<int64_t>(number));
  check(std::ssize(out.captions) == captions, out.name, ": has ", out.captions.size(), " captions, ", captions,
        " by its index: the shard is another one, whose index has to be removed");
  out.picture = pair.image->data;
  return out;
}

std::map<std::string, std::string> ShardSet::fingerprint() const {
  FingerprintHash checksums;
  for (const ShardIndex& index : indexes_) {
    checksums.add(index.summary.shard);
    checksums.add(index.summary.sha256);
    checksums.add(static_cast<uint64_t>(index.captions()));
  }
  return {{"captions", std::to_string(captions())},
          {"images", std::to_string(samples())},
          {"shards and their checksums", checksums.hexadecimal()}};
}

uint64_t ShardSet::bytes() const {
  uint64_t out = 0;
  for (const ShardIndex& index : indexes_)
    for (const auto* table : {&index.blocks, &index.key_hashes, &index.captions_before})
      out += table->capacity() * sizeof(uint32_t);
  return out;
}

}  // namespace tessera

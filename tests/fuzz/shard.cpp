#include <cstdio>
#include <set>
#include <vector>

#include "data/shards/sample.h"
#include "io/unpacking.h"
#include "tests/fuzz/targets.h"

namespace tessera::fuzz {
namespace {

// A mebibyte of zeros can stand for a terabyte: more than this is not unpacked here.
constexpr size_t kMostUnpacked = 4 << 20;

TextPieces stream(Bytes bytes) {
  TextPieces packed = [rest = as_text(bytes)]() mutable {
    const std::string_view piece = rest.substr(0, 1000);
    rest.remove_prefix(piece.size());
    return piece;
  };
  return [pieces = unpacked(std::move(packed), "fuzz"), left = kMostUnpacked]() mutable {
    const std::string_view piece = pieces().substr(0, left);
    left -= piece.size();
    return piece;
  };
}

// Headers follow one another, and what is read is what they say.
void check_members(Bytes bytes) {
  TarReader reader(stream(bytes), "fuzz");
  TarMember member;
  std::string data;
  uint64_t last = 0;
  while (reader.next(member)) {
    ensure(member.begin >= last && member.begin % 512 == 0, "a member at byte ", member.begin, " after ", last);
    ensure((member.use == TarMember::Use::file) == member.reason.empty(), "a member with the reason ", member.reason);
    last = reader.position();
    reader.read(data);
    ensure(data.size() == member.size && reader.position() >= last + data.size(), "a member of ", member.size,
           " bytes has ", data.size());
  }
}

// With the right checksum in every block: changed bytes seldom have one, and would never come past it.
std::string sealed(Bytes bytes) {
  std::string out(as_text(bytes));
  for (size_t block = 0; block + 512 <= out.size(); block += 512) {
    unsigned sum = 8 * ' ';
    for (size_t i = 0; i < 512; ++i)
      if (i < 148 || i >= 156) sum += static_cast<unsigned char>(out[block + i]);
    if (sum == 8 * ' ') continue;  // the end
    char digits[9];
    std::snprintf(digits, sizeof digits, "%06o", sum);
    out.replace(block + 148, 8, std::string_view(digits, 8));
  }
  return out;
}

// A sample is at its place what it is when the shard is read from the beginning.
void check_place(std::string_view from, const ShardSample& sample, uint64_t end, const ShardOptions& options) {
  const std::string_view own = from.substr(sample.begin, end - sample.begin);
  ShardReader reader(pieces_of(own), "fuzz", options);
  const auto again = reader.next();
  ensure(again && again->key == sample.key && again->begin == 0 && again->parts.size() == sample.parts.size(),
         "the sample ", sample.key, " is not at its place");
  for (size_t i = 0; i < sample.parts.size(); ++i)
    ensure(again->parts[i].extension == sample.parts[i].extension && again->parts[i].data == sample.parts[i].data,
           "a part of the sample ", sample.key, " is another at its place");
}

void check_places(Bytes bytes, const ShardOptions& options) {
  std::string all;
  const TextPieces pieces = stream(bytes);
  for (std::string_view piece = pieces(); !piece.empty(); piece = pieces()) all += piece;
  ShardReader reader(pieces_of(all), "fuzz", options);
  std::vector<ShardSample> samples;
  while (auto sample = reader.next()) {
    if (!reader.samples_stand_alone()) break;
    samples.push_back(std::move(*sample));
  }
  for (size_t i = 0; i < samples.size(); ++i) {
    const uint64_t end = i + 1 < samples.size() ? samples[i + 1].begin : all.size();
    ensure(samples[i].begin % 512 == 0 && samples[i].end <= end, "a sample that ends behind the next one's begin");
    check_place(all, samples[i], end, options);
  }
}

void check_shard(Bytes bytes) {
  accepted([&] { check_members(bytes); });
  std::set<std::string> keys;
  const ShardOptions options{.most_sample_bytes = 1 << 20, .on_skipped = [](const SkippedMember& member) {
                               ensure(!member.reason.empty(), "a member is left out without a reason");
                             }};
  // That it cannot be unpacked at all shows when the first bytes are looked at.
  accepted([&] {
    ShardReader reader(stream(bytes), "fuzz", options);
    while (const auto sample = reader.next()) {
      ensure(keys.insert(sample->key).second, "the key ", sample->key, " comes twice");
      ensure(!sample->parts.empty() && sample->begin < sample->end, "a sample without parts");
      std::set<std::string> extensions;
      uint64_t size = 0;
      for (const ShardPart& part : sample->parts) {
        ensure(extensions.insert(part.extension).second, "the part ", part.extension, " comes twice");
        size += part.data.size();
      }
      ensure(size <= options.most_sample_bytes, "a sample of ", size, " bytes");
      const ImageText pair = image_text(*sample);
      ensure(pair.unusable.empty() == (pair.image && !pair.caption.empty()), "a sample that can be used for nothing");
      if (pair.unusable.empty())
        ensure(all_captions(*sample, pair).at(0) == pair.caption, "captions without the first");
    }
  });
  accepted([&] { check_places(bytes, options); });
}

}  // namespace

void shard(Bytes bytes) {
  check_shard(bytes);
  const std::string with_sums = sealed(bytes);
  check_shard({reinterpret_cast<const uint8_t*>(with_sums.data()), with_sums.size()});
}

}  // namespace tessera::fuzz

#include "data/shards/shard_index.h"
#include "tests/fuzz/targets.h"

namespace tessera::fuzz {
namespace {

ShardIndex parsed(std::string_view contents) {
  constexpr size_t kPiece = 100;
  const TextPieces pieces = [rest = contents]() mutable {
    const std::string_view piece = rest.substr(0, kPiece);
    rest.remove_prefix(piece.size());
    return piece;
  };
  return parse_shard_index(pieces, "fuzz");
}

}  // namespace

void tar_index(Bytes bytes) {
  accepted([&] {
    const ShardIndex index = parsed(as_text(bytes));
    ensure(index.summary.samples == index.samples() && index.summary.captions == index.captions(),
           "an index that is not as its first line says");
    ensure(index.key_hashes.size() == index.blocks.size(), "a sample without key");
    for (int64_t sample = 0; sample < index.samples(); ++sample) {
      const int64_t first = index.first_caption(sample), count = index.captions_of(sample);
      ensure(count >= 1 && index.sample_of(first) == sample && index.sample_of(first + count - 1) == sample,
             "captions of sample ", sample, " that are another's");
    }
    // What is written of it is read.
    std::string lines = summary_line(index.summary);
    for (int64_t sample = 0; sample < index.samples(); ++sample)
      lines +=
          sample_line("k", uint64_t{index.blocks[static_cast<size_t>(sample)]} * 512, 512, index.captions_of(sample));
    const ShardIndex again = parsed(lines);
    ensure(again.blocks == index.blocks && again.captions_before == index.captions_before &&
               again.summary.splits == index.summary.splits && again.summary.unusable == index.summary.unusable,
           "an index that is written otherwise than it was read");
  });
}

}  // namespace tessera::fuzz

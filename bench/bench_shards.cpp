// How a training on many shards begins: their indexes are made, then read as every later start reads them, then the
// first pairs are drawn. The shards hold pictures of one pixel; of ten million samples they take 20 GB of the folder
// for temporary files.
#include <cstdio>
#include <filesystem>
#include <thread>

#include "bench/bench.h"
#include "data/images/image.h"
#include "data/sampler.h"
#include "data/shards/shard_set.h"
#include "data/shards/sources.h"
#include "io/output_file.h"
#include "io/tar_writer.h"
#include "tensor/error.h"

namespace tessera::bench {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSamplesOfShard = 10'000, kWindow = 10'000, kDraws = 1000;

class TemporaryShards {
 public:
  explicit TemporaryShards(int64_t samples) {
    std::string pattern = (fs::temp_directory_path() / "tessera-bench-XXXXXX").string();
    check(mkdtemp(pattern.data()) != nullptr, "no temporary folder in ", fs::temp_directory_path().string());
    folder_ = pattern;
    const std::vector<uint8_t> png = encode_png(make_image(1, 1));
    const std::string picture(png.begin(), png.end());
    for (int64_t first = 0; first < samples; first += kSamplesOfShard)
      write(first, std::min(first + kSamplesOfShard, samples), picture);
  }
  ~TemporaryShards() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  TemporaryShards(const TemporaryShards&) = delete;
  TemporaryShards& operator=(const TemporaryShards&) = delete;

  const fs::path& folder() const { return folder_; }

 private:
  void write(int64_t first, int64_t end, const std::string& picture) const {
    OutputFile file(folder_ / shard_name("train", first / kSamplesOfShard));
    for (int64_t sample = first; sample < end; ++sample) {
      char key[24];
      std::snprintf(key, sizeof key, "%09lld", static_cast<long long>(sample));
      file.write(tar_member(std::string(key) + ".png", picture));
      file.write(tar_member(std::string(key) + ".txt", "a dog on a beach"));
    }
    file.write(tar_end());
    file.put_in_place();
  }

  fs::path folder_;
};

}  // namespace

void bench_shards(const Arguments& arguments) {
  const TemporaryShards made(arguments.samples);
  const std::vector<std::string> shards = expand_shards(made.folder().string());
  const auto open = [&] {
    const auto threads = static_cast<int>(std::thread::hardware_concurrency());
    return ShardSet(shards, open_shard_indexes(shards, threads), {.window = kWindow});
  };
  const Milliseconds indexing = median_ms(open, 0, 1);
  const Milliseconds start = median_ms(open, 0, arguments.reps);
  const ShardSet set = open();
  Sampler sampler(set.captions(),
                  {.batch_size = kDraws, .parts = {{set.captions(), 1, set.captions_of_shards()}}, .window = kWindow});
  const Milliseconds draw = median_ms(
      [&] {
        for (const int64_t caption : sampler.samples(0)) set.read(set.sample_of(caption));
      },
      0, 1);
  uint64_t index_bytes = 0;
  for (const std::string& shard : shards) index_bytes += fs::file_size(index_path(shard));
  report(arguments, start,
         {{"samples", set.samples()},
          {"shards", shards.size()},
          {"indexing_ms", rounded(indexing.median, 0)},
          {"index_bytes", index_bytes},
          {"table_bytes", set.bytes()},
          {"first_1000_samples_ms", rounded(draw.median, 1)}});
}

}  // namespace tessera::bench

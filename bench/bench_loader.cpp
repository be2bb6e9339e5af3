// From the bytes of a JPEG file to normalised patches, on one thread; or to packed batches, by the loader of training.
#include <sys/resource.h>

#include <chrono>
#include <memory>

#include "bench/bench.h"
#include "data/images/image.h"
#include "data/images/patches.h"
#include "data/images/resize.h"
#include "data/loader.h"
#include "data/pictures.h"
#include "tensor/philox.h"
#include "vilt/input/batch.h"

namespace tessera::bench {
namespace {

constexpr int kImages = 16;
constexpr int kPatch = 32;
constexpr ImageSize kPhotograph{480, 640};
constexpr ImageSize kResized{384, 512};

// Smooth noise, about as many bytes as a photograph of this size.
std::vector<uint8_t> make_photograph(Random& random) {
  Image base = make_image(60, 80);
  for (uint8_t& value : base.pixels) value = static_cast<uint8_t>(random.below(256));
  Image image = resize_bicubic(base, kPhotograph);
  for (uint8_t& value : image.pixels)
    value = static_cast<uint8_t>(std::clamp(value + static_cast<int>(random.below(25)) - 12, 0, 255));
  return encode_jpeg(image, 90);
}

using Files = std::vector<std::vector<uint8_t>>;

// The processor's, of all threads.
double cpu_ms() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  const auto ms = [](const timeval& time) {
    return 1e3 * static_cast<double>(time.tv_sec) + 1e-3 * static_cast<double>(time.tv_usec);
  };
  return ms(use.ru_utime) + ms(use.ru_stime);
}

// 512 pictures in batches, none kept from before; what a core of its own would take for `files.size()` of them.
void bench_batches(const Arguments& arguments, const Files& files, const JsonFields& facts) {
  constexpr int64_t kPictures = 512;
  const auto kinds = static_cast<int64_t>(files.size());
  PictureOptions options;
  options.patch = kPatch;
  options.cache_bytes = 0;
  const Pictures pictures(Pictures::FileOf([&](int64_t image) {
                            return Pictures::File{"photograph", files[static_cast<size_t>(image)]};
                          }),
                          options);
  const std::vector<int64_t> ids{0, 1};
  const auto make = [&](int64_t step) {
    BatchBuilder builder(int64_t{3} * kPatch * kPatch, kResized.width / kPatch);
    std::vector<std::shared_ptr<const ResizedImage>> resized;
    int64_t patches = 0;
    for (int64_t i = step * arguments.batch; i < std::min(kPictures, (step + 1) * arguments.batch); ++i) {
      const Grid grid = pictures.grid(*resized.emplace_back(pictures.resized(i % kinds)));
      patches += int64_t{grid.rows} * grid.columns;
    }
    builder.reserve_patches(patches);
    for (const auto& picture : resized)
      builder.add_sequence(ids, builder.add_image(pictures.grid(*picture), [&](std::span<float> out) {
        pictures.write_patches(*picture, out);
      }));
    std::vector<PackedBatch> batches;
    batches.push_back(builder.finish());
    return batches;
  };
  const int64_t steps = (kPictures + arguments.batch - 1) / arguments.batch;
  std::vector<double> times, rates;
  for (int repetition = 0; repetition <= arguments.reps; ++repetition) {
    const double before = cpu_ms();
    const auto start = std::chrono::steady_clock::now();
    int64_t count = 0;
    if (arguments.workers == 0) {
      for (int64_t step = 0; step < steps; ++step) count += static_cast<int64_t>(make(step)[0].grids.size());
    } else {
      Loader<PackedBatch> loader(make, 0, steps, arguments.workers, 2 * arguments.workers);
      for (int64_t step = 0; step < steps; ++step) count += static_cast<int64_t>(loader.next()[0].grids.size());
    }
    check(count == kPictures, "loader: ", count, " pictures, expected ", kPictures);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (repetition == 0) continue;
    times.push_back((cpu_ms() - before) * static_cast<double>(kinds) / static_cast<double>(kPictures));
    rates.push_back(static_cast<double>(kPictures) / seconds);
  }
  std::ranges::sort(times);
  std::ranges::sort(rates);
  const Milliseconds ms{times[times.size() / 2], times.front(), times.back()};
  JsonFields fields{{"workers", arguments.workers},
                    {"images_per_s_per_core", rounded(static_cast<double>(kinds) / ms.median * 1e3, 1)},
                    {"images_per_s", rounded(rates[rates.size() / 2], 1)}};
  fields.insert(fields.end(), facts.begin(), facts.end());
  report(arguments, ms, fields);
}

}  // namespace

void bench_loader(const Arguments& arguments) {
  Random random(0);
  Files files;
  size_t bytes = 0;
  for (int i = 0; i < kImages; ++i) bytes += files.emplace_back(make_photograph(random)).size();

  const JsonFields facts{{"images", kImages}, {"mean_bytes", bytes / kImages}};
  if (arguments.workers >= 0) return bench_batches(arguments, files, facts);
  const PatchExtractor extractor(kPatch);
  std::vector<float> patches(static_cast<size_t>(kResized.height) * kResized.width * 3);
  Image decoded, resized;  // their memory is used again, as SampleSource does
  const Milliseconds ms = median_ms(
      [&] {
        for (const auto& file : files) {
          decode_image(file, "photograph", {}, decoded);
          resize_bicubic(decoded, kResized, resized);
          extractor.extract(resized, patches);
        }
      },
      arguments.warmup, arguments.reps);
  JsonFields fields{{"images_per_s_per_core", rounded(kImages / ms.median * 1e3, 1)}};
  fields.insert(fields.end(), facts.begin(), facts.end());
  report(arguments, ms, fields);
}

}  // namespace tessera::bench

// From the bytes of a JPEG file to normalised patches, on one thread.
#include "bench/bench.h"
#include "data/images/image.h"
#include "data/images/patches.h"
#include "data/images/resize.h"
#include "tensor/philox.h"

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

}  // namespace

void bench_loader(const Arguments& arguments) {
  Random random(0);
  std::vector<std::vector<uint8_t>> files;
  size_t bytes = 0;
  for (int i = 0; i < kImages; ++i) bytes += files.emplace_back(make_photograph(random)).size();

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
  report(arguments, ms,
         {{"images", kImages},
          {"mean_bytes", bytes / kImages},
          {"images_per_s_per_core", rounded(kImages / ms.median * 1e3, 1)}});
}

}  // namespace tessera::bench

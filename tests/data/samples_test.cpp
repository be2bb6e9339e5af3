#include "data/samples.h"

#include <doctest/doctest.h>

#include "data/images/image_codecs.h"
#include "data/images/rand_augment.h"
#include "tests/tiny_scenes.h"

namespace tessera::samples_test {
namespace {

using doctest::Contains;
using tests::tiny_scenes;

}  // namespace

TEST_CASE("Captions are tokenised and cut; the annotated words are marked") {
  const Dataset dataset = tiny_scenes().open("train");
  const Wordpiece& vocabulary = tiny_scenes().vocabulary();
  const SampleSource source(dataset, vocabulary, tests::TinyScenes::sample_options());
  for (int64_t s = 0; s < 40; ++s) {
    const TextSample text = source.text(s);
    REQUIRE(text.ids.size() == text.words.size());
    CHECK(text.ids.front() == vocabulary.cls_id());
    CHECK(text.ids.back() == vocabulary.sep_id());
    CHECK(text.words.front() == -1);
    // Every content word of the annotations, put together from its marked pieces.
    std::string marked, annotated;
    std::vector<int64_t> pieces;
    for (size_t t = 0; t < text.ids.size(); ++t)
      if (text.words[t] >= 0 && text.content[static_cast<size_t>(text.words[t])]) pieces.push_back(text.ids[t]);
    marked = vocabulary.decode(pieces);
    for (const ContentWord& span : *dataset.annotation(s)->content_words)
      annotated.append(annotated.empty() ? "" : " ")
          .append(dataset.sentences()[static_cast<size_t>(s)].text, static_cast<size_t>(span.begin),
                  static_cast<size_t>(span.end - span.begin));
    CHECK(marked == annotated);
  }
  SampleOptions options = tests::TinyScenes::sample_options();
  options.max_length = 4;
  const SampleSource cut(dataset, vocabulary, options);
  CHECK(cut.text(0).ids.size() == 4);
  CHECK(cut.text(0).content.size() <= 2);
  CHECK(SampleSource(tiny_scenes().open("train", false), vocabulary, options).text(0).content.empty());
}

TEST_CASE("Images are resized by ViLT's rule, or keep their size if it is whole patches") {
  SampleOptions options;
  options.shorter = 64;
  options.patch = 32;
  const ResizedImage resized = prepare_image(make_image(100, 150), options, "a.jpg");
  CHECK(resized.original_height == 100);
  CHECK(resized.original_width == 150);
  CHECK(resized.image.height == 64);
  CHECK(resized.image.width == 96);
  options.resize = false;
  CHECK(prepare_image(make_image(64, 160), options, "a.jpg").image.width == 160);
  CHECK_THROWS_WITH(prepare_image(make_image(64, 100), options, "a.jpg"),
                    "a.jpg: 100 x 64 pixels are not whole patches of 32; set image.resize to 'shorter'");
}

TEST_CASE("Normalised patches have the pixels' values") {
  const Dataset dataset = tiny_scenes().open("train");
  const SampleSource source(dataset, tiny_scenes().vocabulary(), tests::TinyScenes::sample_options());
  const auto image = source.resized(0);
  const PatchedImage patched = source.patched(0);
  CHECK(patched.rows == image->image.height / 16);
  CHECK(patched.columns == image->image.width / 16);
  // Row 17, column 35 lies in patch (1, 2) at (1, 3); green.
  const float value = patched.patches[static_cast<size_t>((patched.columns + 2) * 768 + 256 + 16 + 3)];
  CHECK(value == (static_cast<float>(image->image.row(17)[35 * 3 + 1]) / 255.0f - 0.5f) / 0.5f);
  CHECK(source.resized(0) == image);  // from the cache
  CHECK(source.cached_bytes() == static_cast<int64_t>(image->image.pixels.size()));
}

TEST_CASE("The orientation of a file is followed if the options say so") {
  const tests::TemporaryDirectory directory;
  const auto file = directory.write("one.json", R"({"images": [{"filename": "exif6.jpg", "imgid": 0, "split": "train",
      "sentences": [{"raw": "a red ring", "sentid": 0}]}]})");
  const auto folder = std::filesystem::path(TESSERA_GOLDEN_DIR) / "data/resize";
  const Dataset dataset = Dataset::open(file, folder, {{"train"}, {}, false});
  const Image stored = read_image(folder / "exif6.jpg"), seen = apply_orientation(stored, 6);
  SampleOptions options;
  options.shorter = 32;
  for (const bool respect : {false, true}) {
    options.respect_orientation = respect;
    const SampleSource source(dataset, tiny_scenes().vocabulary(), options);
    const ResizedImage expected = prepare_image(Image(respect ? seen : stored), options, "x");
    CHECK(source.resized(0)->image.pixels == expected.image.pixels);
    CHECK(source.resized(0)->original_height == expected.original_height);
    Random random(1), same(1);
    CHECK(source.augmented(0, random)->image.pixels ==
          prepare_image(rand_augment(respect ? seen : stored, same), options, "x").image.pixels);
  }
}

TEST_CASE("An image file that is gone is an error with its path") {
  const tests::TemporaryDirectory directory;
  const auto file = directory.write("one.json", R"({"images": [{"filename": "gone.jpg", "imgid": 0, "split": "train",
      "sentences": [{"raw": "a red ring", "sentid": 0}]}]})");
  const Dataset dataset = Dataset::open(file, directory.path(), {{"train"}, {}, false});
  const SampleSource source(dataset, tiny_scenes().vocabulary(), tests::TinyScenes::sample_options());
  CHECK_THROWS_WITH(source.resized(0), Contains("gone.jpg"));
}

}  // namespace tessera::samples_test

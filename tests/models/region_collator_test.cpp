#include "models/parts/region_collator.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/error_text.h"
#include "tests/models/region_tasks.h"

namespace tessera::region_collator_test {
namespace {

using tests::error_of;
using tests::kSceneChannels;
using tests::kSceneClasses;
using tests::lacking;
using tests::region_collator_options;
using tests::RegionScenes;

constexpr RegionCollator::Wanted kAll{true, true, true};

RegionCollator collator_of(RegionScenes& scenes, const RegionCollatorOptions& options, Share share = {}) {
  return {scenes.source, scenes.lookup, kSceneChannels, kSceneClasses, options, scenes.quarantine, share};
}

// All that a step's pairs say.
std::string described(const std::vector<RegionPair>& pairs) {
  std::string out;
  const auto list = [&](const std::vector<int64_t>& values) {
    for (const int64_t value : values) out += ' ' + std::to_string(value);
    out += ';';
  };
  for (const RegionPair& pair : pairs) {
    list({pair.caption, pair.image, pair.matched, pair.told, pair.regions.count()});
    list(pair.words.ids);
    list(pair.words.labels);
    list(pair.masked);
    list(pair.hidden);
  }
  return out;
}

// Any number of regions for every picture.
RegionLookup with_regions(int64_t count) {
  return [count](const DatasetImage&) {
    Regions out;
    out.height = 60;
    out.width = 80;
    out.boxes = Tensor::full({count, 4}, 3);
    out.features = Tensor::full({count, kSceneChannels}, 0.5);
    out.distributions = Tensor::full({count, kSceneClasses}, 1.0 / kSceneClasses);
    return out;
  };
}

}  // namespace

TEST_CASE("region collator: a step is a function of its number") {
  RegionScenes scenes, others;
  const RegionCollatorOptions options = region_collator_options();
  const RegionCollator one = collator_of(scenes, options), two = collator_of(others, options);
  const std::string fifth = described(one.step(5, kAll));
  for (int64_t step = 0; step < 5; ++step) CHECK(described(two.step(step, kAll)) != fifth);
  CHECK(described(two.step(5, kAll)) == fifth);
  RegionCollatorOptions seeded = options;
  seeded.seed = 12;
  CHECK(described(collator_of(scenes, seeded).step(5, kAll)) != fifth);
}

TEST_CASE("region collator: ranks share a step out") {
  RegionScenes scenes;
  const RegionCollatorOptions options = region_collator_options();
  std::string together;
  for (int64_t rank = 0; rank < 4; ++rank) {
    const auto part = collator_of(scenes, options, {rank, 4}).step(3, kAll);
    CHECK(part.size() == 2);
    together += described(part);
  }
  CHECK(together == described(collator_of(scenes, options).step(3, kAll)));
}

TEST_CASE("region collator: what is masked, and what never is") {
  RegionScenes scenes;
  for (const bool whole_words : {false, true}) {
    RegionCollatorOptions options = region_collator_options(40);
    options.masking.whole_words = whole_words;
    options.masking.region_shown = 0.5;
    const RegionCollator collator = collator_of(scenes, options);
    const int64_t cls = scenes.source.vocabulary().cls_id(), sep = scenes.source.vocabulary().sep_id();
    size_t regions = 0, masked = 0, hidden = 0;
    for (int64_t step = 0; step < 20; ++step) {
      for (const RegionPair& pair : collator.step(step, kAll)) {
        CHECK(pair.words.ids.front() == cls);
        CHECK(pair.words.ids.back() == sep);
        CHECK(pair.words.labels.front() == kIgnoreLabel);
        CHECK(pair.words.labels.back() == kIgnoreLabel);
        CHECK(std::any_of(pair.words.labels.begin(), pair.words.labels.end(),
                          [](int64_t label) { return label != kIgnoreLabel; }));
        CHECK(!pair.masked.empty());
        CHECK(std::is_sorted(pair.masked.begin(), pair.masked.end()));
        CHECK(std::includes(pair.masked.begin(), pair.masked.end(), pair.hidden.begin(), pair.hidden.end()));
        regions += static_cast<size_t>(pair.regions.count());
        masked += pair.masked.size();
        hidden += pair.hidden.size();
      }
    }
    // Of 800 pairs with one or two regions: with rate 0.3 one of one is always taken, of two 0.3 + 0.7² / 2 = 0.545
    // each. 800 draws leave 0.02 for a deviation.
    CHECK(static_cast<double>(masked) / static_cast<double>(regions) > 0.545);
    CHECK(static_cast<double>(hidden) / static_cast<double>(masked) == doctest::Approx(0.5).epsilon(0.15));
  }
}

TEST_CASE("region collator: false pictures are not the own one, as many as asked for, siblings among them") {
  RegionScenes scenes;
  RegionCollatorOptions options = region_collator_options(40);
  const RegionCollator collator = collator_of(scenes, options);
  int64_t wrong = 0, siblings = 0;
  for (int64_t step = 0; step < 20; ++step)
    for (const RegionPair& pair : collator.step(step, {.false_pictures = true})) {
      CHECK(pair.matched == (pair.image == scenes.source.image_of(pair.caption)));
      CHECK(pair.words.ids.empty());
      CHECK(pair.masked.empty());
      wrong += !pair.matched;
      siblings += pair.image == scenes.source.sibling(pair.caption);
    }
  // Of 800 pairs, half of them with a deviation of 14; half of those, and one in 39 of the others, with one of 14.
  CHECK(std::abs(static_cast<double>(wrong) - 400) < 70);
  CHECK(std::abs(static_cast<double>(siblings) - 205) < 70);
  options.masking.false_pairs = false;
  for (const RegionPair& pair : collator_of(scenes, options).step(0, kAll)) {
    CHECK(pair.told == pair.matched);
    CHECK(!pair.words.ids.empty());
    CHECK(!pair.hidden.empty());
  }
}

TEST_CASE("region collator: a curriculum's steps have its captions alone") {
  RegionScenes scenes;
  RegionCollatorOptions options = region_collator_options(20);
  options.curriculum_steps = 3;
  options.curriculum_group = "one_object";
  const RegionCollator collator = collator_of(scenes, options);
  const auto two = [&](int64_t step) {
    int64_t count = 0;
    for (const RegionPair& pair : collator.step(step, {})) count += scenes.source.group(pair.caption) == "two_objects";
    return count;
  };
  for (int64_t step = 0; step < 3; ++step) CHECK(two(step) == 0);
  CHECK(two(3) > 0);
  options.curriculum_group = "three_objects";
  CHECK(lacking(error_of([&] { collator_of(scenes, options); }), {"'three_objects'", "train.curriculum_group"}) == "");
}

TEST_CASE("region collator: pictures without regions, with one, and with regions that cannot be used") {
  RegionScenes scenes;
  const RegionCollatorOptions options = region_collator_options();
  const auto with = [&](RegionLookup lookup) {
    return RegionCollator(scenes.source, std::move(lookup), kSceneChannels, kSceneClasses, options, scenes.quarantine);
  };
  for (const RegionPair& pair : with(with_regions(0)).step(0, kAll)) {
    CHECK(pair.regions.count() == 1);
    CHECK(pair.regions.boxes.to_vector<float>() == std::vector<float>{0, 0, 80, 60});
    CHECK(pair.regions.distributions.to_vector<float>()[0] == 1);
    CHECK(pair.masked.empty());
  }
  for (const RegionPair& pair : with(with_regions(1)).step(0, kAll)) CHECK(pair.masked == std::vector<int64_t>{0});

  // Those of some pictures are missing: others take their places, and each is reported once.
  const RegionCollator some = with([&](const DatasetImage& picture) {
    check(picture.id % 3 != 0, "no regions of this picture");
    return with_regions(2)(picture);
  });
  for (int64_t step = 0; step < 10; ++step)
    for (const RegionPair& pair : some.step(step, kAll))
      CHECK(scenes.dataset.images()[static_cast<size_t>(pair.image)].id % 3 != 0);
  CHECK(scenes.reports.size() == static_cast<size_t>(scenes.quarantine.count()));
  CHECK(scenes.quarantine.count() > 5);
  RegionScenes fresh;
  const RegionCollator none(
      fresh.source, [](const DatasetImage&) -> Regions { fail("nothing"); }, kSceneChannels, kSceneClasses, options,
      fresh.quarantine);
  CHECK(lacking(error_of([&] { none.step(0, kAll); }), {"of the pictures of 40 captions not one can be used"}) == "");
}

TEST_CASE("readable regions: what does not fit is told with the picture's name") {
  const auto refusal = [](const std::function<void(Regions&)>& change) {
    Regions regions = with_regions(3)({});
    change(regions);
    return error_of([&] { readable_regions(regions, kSceneChannels, kSceneClasses, "a.png"); });
  };
  CHECK(refusal([](Regions&) {}) == "no error");
  CHECK(lacking(refusal([](Regions& r) {
                  r.features = Tensor::zeros({3, 4});
                }),
                {"a.png: features of regions are [3, 4], expected [3, 16]"}) == "");
  CHECK(lacking(refusal([](Regions& r) {
                  r.distributions = Tensor::zeros({2, kSceneClasses});
                }),
                {"a.png: distributions of regions are [2, 41], expected [3, 41]"}) == "");
  CHECK(lacking(refusal([](Regions& r) { r.distributions = {}; }), {"distributions of regions are missing"}) == "");
  CHECK(lacking(refusal([](Regions& r) { r.boxes = Tensor::zeros({3, 5}); }), {"boxes of regions are [3, 5]"}) == "");
  CHECK(lacking(refusal([](Regions& r) { r.height = 0; }), {"a.png: a picture of 80 x 0 pixels"}) == "");
  CHECK(lacking(
            refusal([](Regions& r) { r.features.mutable_data<float>()[7] = std::numeric_limits<float>::quiet_NaN(); }),
            {"a.png: features of regions are not finite"}) == "");
}

TEST_CASE("region collator: options that cannot be") {
  RegionScenes scenes;
  const auto refusal = [&](const std::function<void(RegionCollatorOptions&)>& change) {
    RegionCollatorOptions options = region_collator_options();
    change(options);
    return error_of([&] { collator_of(scenes, options); });
  };
  CHECK(lacking(refusal([](auto& o) { o.accumulate = 3; }), {"a step of 8 pairs", "into 3 micro-batches"}) == "");
  CHECK(lacking(refusal([](auto& o) { o.masking.region_rate = 1.5; }), {"masked regions is 1.5"}) == "");
  CHECK(lacking(refusal([](auto& o) { o.sibling_negatives = -1; }), {"siblings is -1"}) == "");
}

}  // namespace tessera::region_collator_test

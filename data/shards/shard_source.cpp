#include "data/shards/shard_source.h"

#include <algorithm>
#include <utility>

#include "data/sets/fingerprint.h"
#include "tensor/error.h"

namespace tessera {
namespace {

size_t place_of(const std::vector<int64_t>& firsts, int64_t number) {
  return static_cast<size_t>(std::upper_bound(firsts.begin(), firsts.end(), number) - firsts.begin() - 1);
}

std::vector<int64_t> firsts_of(const ShardSets& sets, int64_t (ShardSet::*count)() const) {
  std::vector<int64_t> out{0};
  for (const auto& set : sets) out.push_back(out.back() + ((*set).*count)());
  return out;
}

Pictures::File picture_file(const ShardSets& sets, const std::vector<int64_t>& first_images, int64_t image) {
  const size_t set = place_of(first_images, image);
  const ShardSet::Sample sample = sets[set]->read(image - first_images[set]);
  return {sample.name, {sample.picture.begin(), sample.picture.end()}};
}

}  // namespace

ShardSource::ShardSource(ShardSets sets, const Wordpiece& vocabulary, const SampleOptions& options)
    : PairSource([sets, firsts = firsts_of(sets, &ShardSet::samples)](
                     int64_t image) { return picture_file(sets, firsts, image); },
                 vocabulary, options),
      sets_(std::move(sets)),
      first_captions_(firsts_of(sets_, &ShardSet::captions)),
      first_images_(firsts_of(sets_, &ShardSet::samples)) {}

std::map<std::string, std::string> ShardSource::fingerprint() const {
  if (sets_.size() == 1) return sets_[0]->fingerprint();
  FingerprintHash checksums;
  for (const auto& set : sets_)
    for (const auto& [what, value] : set->fingerprint()) checksums.add(value);
  return {{"captions", std::to_string(captions())},
          {"images", std::to_string(images())},
          {"shards and their checksums", checksums.hexadecimal()}};
}

size_t ShardSource::set_of_caption(int64_t caption) const { return place_of(first_captions_, caption); }

int64_t ShardSource::image_of(int64_t caption) const {
  const size_t set = set_of_caption(caption);
  return first_images_[set] + sets_[set]->sample_of(caption - first_captions_[set]);
}

std::string ShardSource::caption(int64_t number) const {
  const size_t set = set_of_caption(number);
  const int64_t in_set = number - first_captions_[set], sample = sets_[set]->sample_of(in_set);
  return std::move(sets_[set]->read(sample).captions[static_cast<size_t>(in_set - sets_[set]->first_caption(sample))]);
}

TextSample ShardSource::text(int64_t number) const { return tokenised(vocabulary().encode(caption(number))); }

std::vector<SamplePart> ShardSource::parts() const {
  std::vector<SamplePart> out;
  for (const auto& set : sets_) out.push_back({set->captions(), 1, set->captions_of_shards()});
  return out;
}

void ShardSource::require(AnnotationField field, std::string_view option) const {
  fail(option, " needs the annotation field '", name(field),
       "', and captions in shards have none; turn the option off");
}

int64_t ShardSource::sibling(int64_t) const { fail("shards: a caption has no sibling"); }

std::string_view ShardSource::group(int64_t) const { fail("shards: a caption has no group"); }

}  // namespace tessera

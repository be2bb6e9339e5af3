// Pairs of picture and caption in tar shards, read where they lie whenever they are drawn.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/samples.h"
#include "data/shards/shard_set.h"

namespace tessera {

using ShardSets = std::vector<std::shared_ptr<const ShardSet>>;

class ShardSource : public PairSource {
 public:
  // `sets` stand one after another. `vocabulary` must outlive the source.
  ShardSource(ShardSets sets, const Wordpiece& vocabulary, const SampleOptions& options);

  // By what they are known again, as of ShardSet, of all sets together.
  std::map<std::string, std::string> fingerprint() const;

  int64_t captions() const override { return first_captions_.back(); }
  int64_t images() const override { return first_images_.back(); }
  int64_t image_of(int64_t caption) const override;
  int64_t id_of(int64_t caption) const override { return caption; }
  std::string caption(int64_t number) const override;
  TextSample text(int64_t caption) const override;
  bool in_memory() const override { return false; }
  std::vector<SamplePart> parts() const override;

  void require(AnnotationField field, std::string_view option) const override;
  int64_t sibling(int64_t caption) const override;
  std::string_view group(int64_t caption) const override;

 private:
  size_t set_of_caption(int64_t caption) const;

  ShardSets sets_;
  std::vector<int64_t> first_captions_{0}, first_images_{0};  // of each set, and behind the last
};

}  // namespace tessera

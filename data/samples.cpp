#include "data/samples.h"

#include <algorithm>

namespace tessera {

TextSample PairSource::tokenised(const Encoding& pieces) const {
  Encoding sequence = vocabulary_.sequence(pieces, static_cast<size_t>(options_.max_length));
  return {std::move(sequence.ids), std::move(sequence.words), {}};
}

SampleSource::SampleSource(const Dataset& dataset, const Wordpiece& vocabulary, const SampleOptions& options)
    : PairSource(
          [&dataset](int64_t image) {
            return File{dataset.picture_name(image), dataset.read_picture(image)};
          },
          vocabulary, options),
      dataset_(dataset) {}

std::string SampleSource::caption(int64_t number) const {
  return std::string(dataset_.sentences()[static_cast<size_t>(number)].text);
}

std::vector<SamplePart> SampleSource::parts() const {
  std::vector<SamplePart> out;
  for (const int64_t count : dataset_.part_sizes()) out.push_back({count});
  return out;
}

TextSample SampleSource::text(int64_t sentence) const {
  const Encoding pieces = vocabulary().encode(dataset_.sentences()[static_cast<size_t>(sentence)].text);
  TextSample sample = tokenised(pieces);
  const Annotation* annotation = dataset_.annotation(sentence);
  if (!annotation || !annotation->content_words) return sample;
  int32_t words = 0;
  for (const int32_t word : sample.words) words = std::max(words, word + 1);
  sample.content.assign(static_cast<size_t>(words), false);
  for (const ContentWord& span : *annotation->content_words)
    for (const int32_t word : words_in_span(pieces, static_cast<size_t>(span.begin), static_cast<size_t>(span.end)))
      if (word < words) sample.content[static_cast<size_t>(word)] = true;
  return sample;
}

}  // namespace tessera

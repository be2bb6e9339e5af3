#include "data/samples.h"

#include <algorithm>

namespace tessera {

SampleSource::SampleSource(const Dataset& dataset, const Wordpiece& vocabulary, const SampleOptions& options)
    : Pictures([&dataset](int64_t image) { return dataset.images()[static_cast<size_t>(image)].path(); }, options),
      dataset_(dataset),
      vocabulary_(vocabulary),
      options_(options) {}

TextSample SampleSource::text(int64_t sentence) const {
  const Encoding pieces = vocabulary_.encode(dataset_.sentences()[static_cast<size_t>(sentence)].text);
  Encoding sequence = vocabulary_.sequence(pieces, static_cast<size_t>(options_.max_length));
  TextSample sample{std::move(sequence.ids), std::move(sequence.words), {}};
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

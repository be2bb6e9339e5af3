// What a trained Pixel-BERT says: every cell of a picture is seen, normalisation is by the running statistics, nothing
// is dropped. So an answer depends on its own text and picture alone, whatever it is computed with.
#pragma once

#include <span>
#include <vector>

#include "data/samples.h"
#include "data/text/masking.h"
#include "models/pixelbert/model.h"

namespace tessera {

// A caption with a picture, by their numbers in a source.
struct CaptionedPicture {
  int64_t caption = 0, image = 0;
};

// Of each pair the logit that they belong together less the one that they do not: more than 0 means yes.
std::vector<double> match_scores(const PixelBert& model, const SampleSource& source,
                                 std::span<const CaptionedPicture> pairs);

// Texts with masked places, and their pictures.
struct MaskedCaption {
  Masking masking;
  int64_t image = 0;
};
// Whether every masked piece of a text is the model's first guess. One without a masked piece is no hit.
std::vector<bool> masked_word_hits(const PixelBert& model, const SampleSource& source,
                                   std::span<const MaskedCaption> texts);

}  // namespace tessera

// How many multiply-adds the parts of a system take, counted from shapes.
//
// One multiplication with its addition, in a matrix product or a convolution, counts as 1; a convolution's padding is
// counted as if it were pixels. Not counted: biases, norms, activations, softmax, pooling, RoIAlign's interpolation,
// tables that are looked up in, suppression of boxes. FLOPs as most papers have them are twice as many.
#pragma once

#include "models/clip/modified_resnet.h"
#include "models/parts/resnet.h"
#include "models/vilbert/co_attention.h"
#include "nn/gru.h"
#include "nn/transformer_block.h"

namespace tessera::zoo {

// rows of x → rows · in · out.
int64_t multiply_adds(const Linear& layer, int64_t rows);

// The same for each output pixel: pixels · out · in / groups · kernel. `plane`, the size of the input, becomes that of
// the output.
int64_t multiply_adds(const Conv2d& layer, Size2d& plane);

// A sequence of n tokens, d wide: all its linear layers, and of self-attention n² d for the scores and as many for the
// mixture; where a token sees those before it alone, n (n + 1) / 2 · d of each.
int64_t multiply_adds(const TransformerBlock& block, int64_t tokens);

// `regions` rows of a picture and `tokens` of a text: the linear layers, and regions · tokens · d for the scores and
// the mixture of each direction, where d is what both streams are brought to.
int64_t multiply_adds(const CoAttention& layer, int64_t regions, int64_t tokens);

// For each token of all layers and directions 3 · hidden · (input + hidden).
int64_t multiply_adds(const GruLayers& layers, int64_t tokens);

// One picture of that size, which becomes the output's.
int64_t multiply_adds(const ResidualBlock& block, Size2d& plane);
int64_t multiply_adds(const ResNet& network, Size2d& plane);
// With the attention at the end: of one query to all cells and their mean.
int64_t multiply_adds(const ModifiedResNet& network);

}  // namespace tessera::zoo

// Losses that compare the samples of a step with each other (CLIP's contrastive loss, VSE++'s hinges): exact over
// micro-batches and ranks, in the memory of one micro-batch.
//
// Such a loss L(F, p) is a function of the features F of all samples of the step and of a few parameters p of its own
// (a scale). Computed within each micro-batch it would be another loss, with fewer negatives. So a step goes through
// its samples twice (gradient caching: Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory Limited
// Setup", 2021):
//
//   1. F is computed without a graph, micro-batch by micro-batch, and gathered over the ranks
//   2. of F alone: L, dL/dF and dL/dp
//   3. each micro-batch computes its rows f of F once more, with a graph. What it returns is a scalar whose backward
//      gives f the rows of dL/dF. By the chain rule the sum over micro-batches and ranks of what then reaches the
//      parameters θ, Σ (∂f/∂θ)ᵀ dL/df, is dL/dθ.
//
// The value L is that of the first micro-batch of rank 0, and so is dL/dp; all others have 0: sums count each once.
// A step of one micro-batch on one rank goes the plain way, and nothing is computed twice.
//
// Exact means: but for roundings, where no sample's features depend on the others'. Batch normalisation in training
// does make them depend, on those of the same micro-batch; L is exact then for the features as they are.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "autograd/variable.h"
#include "distributed/communicator.h"

namespace tessera {

class WholeStepLoss {
 public:
  // Of the samples of a micro-batch, or of all of them: one matrix [samples, size] for each kind, pictures and texts.
  using Features = std::vector<Variable>;
  // A scalar of the features of all samples, in the order (rank, micro-batch, sample), and of the parameters p.
  using Loss = std::function<Variable(const Features& all, std::span<const Variable> parameters)>;
  // Of the micro-batch with this number in the step: as `next` will be given them, by the same draws.
  using FeaturesOf = std::function<Features(size_t number)>;

  explicit WholeStepLoss(Loss loss) : loss_(std::move(loss)) {}

  // Begins a step of so many micro-batches on this rank, at least one; every rank has to call it. `features_of` is not
  // called where the plain way will do, else once for each number, in order, recording nothing.
  void begin(size_t micro_batches, std::span<const Variable> parameters, Communicator& ranks,
             const FeaturesOf& features_of);

  // This micro-batch's share of the loss, a scalar: of the micro-batches of `begin` in their order, or, without a
  // `begin`, of a step that is this micro-batch. The parameters are those of `begin`.
  Variable next(const Features& features, std::span<const Variable> parameters);

 private:
  // What the second pass hands out.
  struct Cached {
    Tensor value;                   // L, or 0 on other ranks than the first
    std::vector<Tensor> gradients;  // dL/dF of this rank's rows
    std::vector<Tensor> of_parameters;
    int64_t row = 0;     // the first of the next micro-batch
    size_t to_come = 0;  // micro-batches
  };

  Loss loss_;
  std::vector<Cached> cached_;  // none or one
};

}  // namespace tessera

#include "train/whole_step_loss.h"

#include <numeric>

#include "autograd/tape.h"
#include "tensor/ops/elementwise.h"

namespace tessera {
namespace {

// [n, size] of several → one below the other.
Tensor stacked(const std::vector<Tensor>& parts) {
  int64_t rows = 0;
  for (const Tensor& part : parts) rows += part.size(0);
  Tensor all = Tensor::empty({rows, parts[0].size(1)}, parts[0].dtype(), parts[0].device());
  int64_t row = 0;
  for (const Tensor& part : parts) {
    all.narrow(0, row, part.size(0)).copy_(part);
    row += part.size(0);
  }
  return all;
}

// The rows of all ranks, those of rank 0 first. A sum with the zeros of the others changes no value.
Tensor gathered(const Tensor& own, int64_t first, int64_t rows, Communicator& ranks) {
  const Tensor all = Tensor::zeros({rows, own.size(1)}, own.dtype());
  all.narrow(0, first, own.size(0)).copy_(own);
  ranks.all_reduce_(all);
  return all;
}

// A scalar with this value, whose backward gives the inputs these gradients.
Variable with_gradients(const Tensor& value, std::vector<Variable> inputs, std::vector<Tensor> gradients) {
  return record("whole_step_loss", value, std::move(inputs),
                [gradients = std::move(gradients)](const Tensor& dy, GradSlots slots) -> Grads {
                  Grads out(gradients.size());
                  for (size_t i = 0; i < gradients.size(); ++i)
                    if (slots[i].needed) out[i] = ops::mul(gradients[i], dy.reshape({}));
                  return out;
                });
}

}  // namespace

void WholeStepLoss::begin(size_t micro_batches, std::span<const Variable> parameters, Communicator& ranks,
                          const FeaturesOf& features_of) {
  check(micro_batches > 0, "loss of a step: no micro-batch");
  cached_.clear();
  if (micro_batches == 1 && ranks.size() == 1) return;
  std::vector<std::vector<Tensor>> parts;  // of each kind, of each micro-batch
  {
    const NoGrad no_grad;
    for (size_t number = 0; number < micro_batches; ++number) {
      const Features features = features_of(number);
      parts.resize(features.size());
      for (size_t kind = 0; kind < features.size(); ++kind) parts[kind].push_back(features[kind].value());
    }
  }
  std::vector<Tensor> own;
  for (const std::vector<Tensor>& of_kind : parts) own.push_back(stacked(of_kind));
  std::vector<int64_t> counts(static_cast<size_t>(ranks.size()), 0);
  counts[static_cast<size_t>(ranks.rank())] = own[0].size(0);
  const Tensor everywhere = Tensor::from(counts);
  ranks.all_reduce_(everywhere);
  counts = everywhere.to_vector<int64_t>();
  const int64_t first = std::accumulate(counts.begin(), counts.begin() + ranks.rank(), int64_t{0});
  const int64_t rows = std::accumulate(counts.begin(), counts.end(), int64_t{0});

  Features all;
  for (const Tensor& mine : own) {
    check(mine.size(0) == own[0].size(0), "loss of a step: ", own[0].size(0), " rows of one kind of features, ",
          mine.size(0), " of another");
    all.emplace_back(ranks.size() == 1 ? mine : gathered(mine, first, rows, ranks), true);
  }
  std::vector<Variable> leaves;
  for (const Variable& parameter : parameters) leaves.emplace_back(parameter.value(), true);
  // Every rank computes the same numbers from the same features: nothing more has to be sent.
  const Variable loss = loss_(all, leaves);
  loss.backward();
  const auto gradient = [](const Variable& of) {
    return of.grad_is_empty() ? Tensor::zeros_like(of.value()) : of.grad();
  };
  Cached& cached = cached_.emplace_back();
  const bool tells = ranks.rank() == 0;
  cached.value = tells ? loss.value() : Tensor::zeros_like(loss.value());
  for (const Variable& features : all) cached.gradients.push_back(gradient(features).narrow(0, first, own[0].size(0)));
  for (const Variable& leaf : leaves)
    cached.of_parameters.push_back(tells ? gradient(leaf) : Tensor::zeros_like(leaf.value()));
  cached.to_come = micro_batches;
}

Variable WholeStepLoss::next(const Features& features, std::span<const Variable> parameters) {
  if (cached_.empty()) return loss_(features, parameters);
  Cached& cached = cached_[0];
  const int64_t rows = features[0].size(0);
  check(cached.to_come > 0 && cached.row + rows <= cached.gradients[0].size(0),
        "loss of a step: more micro-batches or rows than the step began with");
  std::vector<Variable> inputs = features;
  inputs.insert(inputs.end(), parameters.begin(), parameters.end());
  std::vector<Tensor> gradients;
  for (const Tensor& all : cached.gradients) gradients.push_back(all.narrow(0, cached.row, rows).contiguous());
  gradients.insert(gradients.end(), cached.of_parameters.begin(), cached.of_parameters.end());
  const Variable out = with_gradients(cached.value, std::move(inputs), std::move(gradients));
  // The loss and what belongs to it are told once.
  cached.value = Tensor::zeros_like(cached.value);
  for (Tensor& each : cached.of_parameters) each = Tensor::zeros_like(each);
  cached.row += rows;
  --cached.to_come;
  return out;
}

}  // namespace tessera

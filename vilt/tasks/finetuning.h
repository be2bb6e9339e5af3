// A downstream task as a task of the training loop (train/learner.h): the model, and what it learns from a batch.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "train/learner.h"
#include "vilt/files/load_model.h"
#include "vilt/tasks/downstream.h"
#include "vilt/tasks/settings.h"

namespace tessera {

class Finetuning {
 public:
  using Batch = DownstreamBatch;

  // settings.train.task is the task's name. `labels`: of the classifier. `weights` to begin with, or null
  // (vilt/tasks/initial_weights.h).
  Finetuning(const Settings& settings, const std::vector<std::string>& labels, const LoadedModel* weights = nullptr,
             DType dtype = DType::f32);

  const DownstreamTask& task() const { return task_; }
  ViltWithHeads& model() { return model_; }
  const ViltWithHeads& model() const { return model_; }
  ParameterSet& parameters() { return parameters_; }
  DType activations() const { return context_.activations; }
  const ForwardContext& context() const { return context_; }  // how the model computes outside of training
  FigureTable figure_table() const { return {task_.term}; }
  ParameterGroup group(const std::string& name, const Variable& parameter) const;
  std::set<std::string> trained() const;
  std::vector<int64_t> divisors(const DownstreamBatch& batch) const { return {batch.samples}; }
  Losses losses(const DownstreamBatch& batch, std::span<const int64_t> divisors, TicketSource& tickets) const;
  std::string samples(std::span<const DownstreamBatch> step) const;
  const std::vector<std::string>& beginnings() const { return beginnings_; }

 private:
  Settings settings_;
  const DownstreamTask& task_;
  ViltWithHeads model_;
  ParameterSet parameters_;
  ForwardContext context_;
  std::vector<std::string> beginnings_;
};

}  // namespace tessera

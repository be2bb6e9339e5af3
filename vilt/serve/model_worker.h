// The one thread that has the model: it answers questions in batches, and looks where words look.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "vilt/ask/inference.h"
#include "vilt/serve/batcher.h"
#include "vilt/serve/pictures.h"
#include "vilt/serve/request.h"
#include "vilt/serve/tasks.h"

namespace tessera::serve {

class ModelWorker {
 public:
  using Json = nlohmann::ordered_json;

  // The model must outlive it. `batch` questions run together; more than `waiting` requests do not wait.
  ModelWorker(const LoadedModel& model, int64_t batch, size_t waiting);

  // {"id", "results"}, as the command writes them. Error: what is wrong with the request; Refusal: 503 where too many
  // wait or it is `latest`, 500 where the model fails.
  Json ask(const AskTask& task, const Fields& fields, PictureStore& pictures, Batcher::Time latest);
  // Of each picture of the question.
  std::vector<HeadMaps> look(const Question& question, Batcher::Time latest);

  const Batcher& batcher() const { return batcher_; }

 private:
  struct AskJob;
  struct LookJob;
  void run(const Batcher::Jobs& jobs) const;
  void answer(const Batcher::Jobs& jobs) const;
  void finish(const std::shared_ptr<Batcher::Job>& job, Batcher::Time latest);

  const LoadedModel& model_;
  const int64_t batch_;
  Batcher batcher_;
};

}  // namespace tessera::serve

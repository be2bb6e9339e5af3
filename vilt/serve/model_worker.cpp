#include "vilt/serve/model_worker.h"

#include <deque>

#include "io/strict_json.h"
#include "tensor/error.h"
#include "vilt/ask/asker.h"
#include "vilt/serve/refusal.h"

namespace tessera::serve {
namespace {

constexpr int64_t kMostQuestions = 1024;  // of one request: others wait meanwhile

}  // namespace

struct ModelWorker::AskJob : Batcher::Job {
  std::shared_ptr<const command::AskKind> kind;
  command::Query query;                                                // its pictures by their keys ...
  std::vector<std::string> names;                                      // ... and as they were given
  std::map<std::string, std::shared_ptr<const PatchedImage>> patched;  // by key
  bool truncate = false;
  Json results;
};

struct ModelWorker::LookJob : Batcher::Job {
  Question question;
  std::vector<HeadMaps> maps;
};

ModelWorker::ModelWorker(const LoadedModel& model, int64_t batch, size_t waiting)
    : model_(model), batch_(batch), batcher_(batch, waiting, [this](const Batcher::Jobs& jobs) { run(jobs); }) {}

ModelWorker::Json ModelWorker::ask(const AskTask& task, const Fields& fields, PictureStore& pictures,
                                   Batcher::Time latest) {
  const auto job = std::make_shared<AskJob>();
  const int64_t top = integer_field(fields.object, "top", 0, 1, 1'000'000);
  job->truncate = flag_field(fields.object, "truncate");
  job->kind = task.kind(top);
  job->query = job->kind->read(JsonFields(fields.object, kRequest));
  job->query.id = 0;
  if (const auto id = fields.object.find("id"); id != fields.object.end()) {
    check(id->is_primitive(), kRequest, ": field 'id' is ", described_type(*id), ", expected a number or a string");
    job->query.id = *id;
  }
  job->kind->check_images(model_, job->query);
  const auto questions = static_cast<int64_t>(job->kind->together()     ? 1
                                              : job->query.about_images ? job->query.images.size()
                                                                        : job->query.texts.size());
  check(questions <= kMostQuestions, kRequest, ": ", questions, " pairs of text and picture, the limit is ",
        kMostQuestions, "; ask in several requests");
  for (const std::string& caption : job->query.texts)
    job->kind->check_text(model_, command::read_text(model_, caption, {job->kind->special_tokens(), job->truncate}));
  for (std::string& image : job->query.images) {
    OpenedPicture opened = pictures.open(fields.pictures[static_cast<size_t>(std::stoll(image))]);
    job->names.push_back(std::move(opened.name));
    job->patched[opened.key] = opened.patched;
    image = opened.key;
  }
  job->size = questions;
  job->group = text(task.name, ' ', top, ' ', job->truncate);
  finish(job, latest);
  return {{"id", job->query.id}, {"results", std::move(job->results)}};
}

std::vector<HeadMaps> ModelWorker::look(const Question& question, Batcher::Time latest) {
  const auto job = std::make_shared<LookJob>();
  job->question = question;
  finish(job, latest);
  return std::move(job->maps);
}

void ModelWorker::finish(const std::shared_ptr<Batcher::Job>& job, Batcher::Time latest) {
  const Batcher::Outcome outcome = batcher_.run(job, latest);
  if (outcome == Batcher::Outcome::full) throw Refusal(503, "too many requests wait; try again");
  if (outcome == Batcher::Outcome::late) throw Refusal(503, "there was no answer within the time limit; try again");
  if (!job->error.empty()) throw Refusal(500, job->error);
}

void ModelWorker::run(const Batcher::Jobs& jobs) const {
  if (const auto look = std::dynamic_pointer_cast<LookJob>(jobs[0]))
    look->maps = head_maps(*model_.model, look->question, model_.context);
  else
    answer(jobs);
}

// Pictures that several requests have are embedded once.
void ModelWorker::answer(const Batcher::Jobs& jobs) const {
  std::map<std::string, std::shared_ptr<const PatchedImage>> patched;
  std::deque<std::shared_ptr<AskJob>> asked;
  for (const auto& job : jobs) {
    asked.push_back(std::static_pointer_cast<AskJob>(job));
    patched.insert(asked.back()->patched.begin(), asked.back()->patched.end());
  }
  command::AskerOptions options;
  options.batch = static_cast<size_t>(batch_);
  options.truncate = asked[0]->truncate;
  options.open = [&](const std::string& key) { return patched.at(key); };
  const command::AskKind& kind = *asked[0]->kind;
  const std::vector<std::shared_ptr<AskJob>> all(asked.begin(), asked.end());
  command::Asker asker(model_, kind, options,
                       [&](command::Query query, const command::Answers& answers, const std::string& error) {
                         AskJob& job = *asked.front();
                         job.error = error;
                         query.images = job.names;
                         if (error.empty()) job.results = kind.results(model_, query, answers);
                         asked.pop_front();
                       });
  for (const auto& job : all) asker.add(job->query);
  asker.finish();
}

}  // namespace tessera::serve

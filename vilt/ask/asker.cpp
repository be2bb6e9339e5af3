#include "vilt/ask/asker.h"

#include <algorithm>

#include "io/printable.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace tessera::command {

namespace fs = std::filesystem;

Asker::Asker(const LoadedModel& model, const AskKind& kind, const AskerOptions& options, Finished finished)
    : model_(model), kind_(kind), options_(options), finished_(std::move(finished)) {}

void Asker::add(Query query) {
  const auto pending = std::make_shared<Pending>();
  std::vector<std::vector<int64_t>> texts;
  try {
    for (const std::string& image : query.images)
      check(!image.empty() && image.find('\0') == image.npos, "the name of a picture ",
            image.empty() ? "is empty" : "holds a zero byte", ", expected that of a JPEG, PNG, WebP or GIF file");
    kind_.check_images(model_, query);
    for (const std::string& caption : query.texts) texts.push_back(ids_of(caption));
  } catch (const Error& error) {
    add_failed(std::move(query), error.what());
    return;
  }
  pending->query = std::move(query);
  pending_.push_back(pending);
  add_questions(pending, texts);
  if (pending_.size() >= options_.batch) run();
}

void Asker::add_failed(Query query, const std::string& error) {
  pending_.push_back(std::make_shared<Pending>(Pending{std::move(query), {}, 0, error}));
  if (pending_.size() >= options_.batch) run();
}

std::vector<int64_t> Asker::ids_of(const std::string& caption) {
  const Words words = read_text(model_, caption, {kind_.special_tokens(), options_.truncate});
  kind_.check_text(model_, words);
  if (options_.tell_losses) report_losses(model_, words);
  if (words.left_out > 0) ++cut_texts_;
  return words.sequence.ids;
}

// One question for each text, or for each image; or one about all images.
void Asker::add_questions(const std::shared_ptr<Pending>& pending, const std::vector<std::vector<int64_t>>& texts) {
  const Query& query = pending->query;
  const size_t count = kind_.together() ? 1 : query.about_images ? query.images.size() : texts.size();
  pending->answers.resize(count);
  pending->open = count;
  for (size_t i = 0; i < count && pending->error.empty(); ++i) {
    const auto images = query.about_images ? std::vector<std::string>{query.images[i]} : query.images;
    requests_.push_back({pending, i, texts[query.about_images ? 0 : i], images});
    if (requests_.size() >= options_.batch) run();
  }
}

// Decodes what this batch needs and the last one did not have; pictures that nobody needs any more are forgotten.
void Asker::open_images() {
  std::map<std::string, std::shared_ptr<const PatchedImage>> images;
  std::vector<std::string> missing;
  for (const Request& request : requests_) {
    if (!request.query->error.empty()) continue;
    for (const std::string& name : request.images) {
      const auto [entry, is_new] = images.try_emplace(name);
      if (!is_new) continue;
      if (const auto known = images_.find(name); known != images_.end())
        entry->second = known->second;
      else
        missing.push_back(name);
    }
  }
  images_.clear();
  std::vector<std::shared_ptr<const PatchedImage>> opened(missing.size());
  std::vector<std::string> errors(missing.size());
  parallel_chunks(static_cast<int64_t>(missing.size()), [&](int64_t chunk) {
    const auto i = static_cast<size_t>(chunk);
    try {
      opened[i] =
          options_.open
              ? options_.open(missing[i])
              : open_picture(model_, (options_.folder / missing[i]).string(), options_.respect_orientation).patched;
    } catch (const Error& error) {
      errors[i] = error.what();
    } catch (const fs::filesystem_error& error) {
      errors[i] = shown(error.path1()) + ": " + error.code().message();
    }
  });
  std::map<std::string, std::string> failed;
  for (size_t i = 0; i < missing.size(); ++i) {
    images[missing[i]] = opened[i];
    if (!errors[i].empty()) failed[missing[i]] = errors[i];
  }
  for (Request& request : requests_)
    for (const std::string& name : request.images)
      if (const auto found = failed.find(name); found != failed.end() && request.query->error.empty())
        request.query->error = found->second;
  for (const auto& entry : failed) images.erase(entry.first);
  images_ = std::move(images);
}

void Asker::run() {
  open_images();
  std::erase_if(requests_, [](const Request& request) { return !request.query->error.empty(); });
  std::vector<Question> questions;
  for (const Request& request : requests_) {
    questions.push_back({request.ids, {}});
    for (const std::string& name : request.images) questions.back().images.push_back(images_.at(name));
  }
  answer(questions);
  requests_.clear();
  while (!pending_.empty() && (pending_.front()->open == 0 || !pending_.front()->error.empty())) {
    const auto first = pending_.front();
    pending_.pop_front();
    finished_(first->query, first->answers, first->error);
  }
}

// A question whose answer is an error takes the others of its batch with it: they are asked again one by one.
void Asker::answer(std::span<const Question> questions) {
  Answers answers;
  try {
    answers = kind_.answer(model_, questions);
  } catch (const Error&) {
    answers.clear();
  }
  for (size_t i = 0; i < questions.size(); ++i) {
    Pending& query = *requests_[i].query;
    try {
      query.answers[requests_[i].index] =
          answers.empty() ? kind_.answer(model_, questions.subspan(i, 1)).at(0) : answers[i];
      --query.open;
    } catch (const Error& error) {
      query.error = error.what();
    }
  }
}

void Asker::finish() { run(); }

}  // namespace tessera::command

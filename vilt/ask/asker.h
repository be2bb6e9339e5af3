// Answers a stream of queries in batches: pictures are decoded on all threads, at most one batch of them is in memory,
// and answers come in the order of the queries.
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "vilt/ask/ask_kinds.h"

namespace tessera::command {

struct AskerOptions {
  std::filesystem::path folder;  // that the pictures' names are relative to
  size_t batch = 32;             // questions that are read and run together
  bool truncate = false, respect_orientation = false;
  bool tell_losses = false;  // say on stderr which words are unknown and what was cut
  // Where pictures come from, by the names in queries; called on several threads. Unset: files in `folder`.
  std::function<std::shared_ptr<const PatchedImage>(const std::string& name)> open;
};

class Asker {
 public:
  // Is called once for each query; `error` is empty if there are answers.
  using Finished = std::function<void(const Query& query, const Answers& answers, const std::string& error)>;

  // Model and task must outlive the asker.
  Asker(const LoadedModel& model, const AskKind& kind, const AskerOptions& options, Finished finished);

  // A query that cannot be answered, because of its texts or pictures, is finished with an error.
  void add(Query query);
  void add_failed(Query query, const std::string& error);
  // Answers what is left.
  void finish();
  int64_t cut_texts() const { return cut_texts_; }

 private:
  struct Pending {
    Query query;
    Answers answers;
    size_t open = 0;  // questions without an answer
    std::string error;
  };
  struct Request {
    std::shared_ptr<Pending> query;
    size_t index = 0;  // into its answers
    std::vector<int64_t> ids;
    std::vector<std::string> images;
  };

  void add_questions(const std::shared_ptr<Pending>& pending, const std::vector<std::vector<int64_t>>& texts);
  std::vector<int64_t> ids_of(const std::string& caption);
  void run();
  void answer(std::span<const Question> questions);
  void open_images();

  const LoadedModel& model_;
  const AskKind& kind_;
  AskerOptions options_;
  Finished finished_;
  std::deque<std::shared_ptr<Pending>> pending_;
  std::vector<Request> requests_;
  std::map<std::string, std::shared_ptr<const PatchedImage>> images_;  // of the last batch
  int64_t cut_texts_ = 0;
};

}  // namespace tessera::command

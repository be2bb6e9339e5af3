// The commands that ask a model, seen alike: how a query's fields become questions, which head answers them, and how
// the answers are written.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "vilt/ask/inputs.h"
#include "vilt/ask/query.h"
#include "vilt/ask/questions.h"

namespace tessera::command {

// What the model says to one question; each command fills its part.
struct Answer {
  double score = 0;                                // match, rank
  std::vector<LabelScore> labels;                  // answer, reason
  std::vector<int64_t> masks;                      // fill: positions of [MASK]
  std::vector<std::vector<WordPrediction>> words;  // fill: predictions of each
  std::vector<int64_t> ids;                        // fill: the text
};

using Answers = std::vector<Answer>;  // of one query, question by question

class AskKind {
 public:
  explicit AskKind(int64_t top) : top_(top) {}  // 0: as many results as the command shows
  virtual ~AskKind() = default;

  // Throws an error that says what the checkpoint can do if it lacks the head.
  virtual void check_model(const LoadedModel& model) const = 0;
  // What should be known about the answers of this checkpoint, for stderr; mostly nothing.
  virtual std::string remark(const LoadedModel&) const { return {}; }
  // The fields of a line, without the id.
  virtual Query read(const JsonFields& fields) const = 0;
  // Throws if there is a wrong number of images.
  virtual void check_images(const LoadedModel&, const Query&) const {}
  // Throws if a text cannot be asked about.
  virtual void check_text(const LoadedModel&, const Words&) const {}
  virtual bool special_tokens() const { return false; }  // "[MASK]" in a text is the token
  virtual bool together() const { return false; }        // all images are one question
  virtual Answers answer(const LoadedModel& model, std::span<const Question> questions) const = 0;
  virtual nlohmann::ordered_json results(const LoadedModel& model, const Query& query,
                                         const Answers& answers) const = 0;
  // The same for people.
  virtual void print(std::ostream& out, const LoadedModel& model, const Query& query, const Answers& answers) const = 0;

 protected:
  // How many results are shown; 0: all.
  int64_t top_or(int64_t standard) const { return top_ > 0 ? top_ : standard; }

 private:
  int64_t top_;
};

std::unique_ptr<AskKind> answer_kind(int64_t top);
std::unique_ptr<AskKind> fill_kind(int64_t top);
std::unique_ptr<AskKind> match_kind(int64_t top);
std::unique_ptr<AskKind> rank_kind(int64_t top);
std::unique_ptr<AskKind> reason_kind(int64_t top);

}  // namespace tessera::command

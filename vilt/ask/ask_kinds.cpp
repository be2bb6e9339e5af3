#include <algorithm>
#include <cmath>
#include <iomanip>
#include <numeric>

#include "io/printable.h"
#include "io/words.h"
#include "tensor/error.h"
#include "vilt/ask/ask_kinds.h"

namespace tessera::command {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kShown = 5;  // answers and words, unless --top says otherwise

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// The heads of a checkpoint and what they are good for, in words.
std::string described_heads(const ModelConfig& config) {
  std::vector<std::string> heads;
  if (config.heads.classifier)
    heads.push_back(config.num_images == 1 ? std::string("a classifier over one image (vilt answer)")
                                           : text("a classifier over ", config.num_images, " images (vilt reason)"));
  if (config.heads.masked_words) heads.push_back("a head for masked words (vilt fill)");
  if (config.heads.matching) heads.push_back("a matching head (vilt match, vilt rank)");
  if (config.heads.rank) heads.push_back("a rank head (vilt rank)");
  if (heads.empty()) return "no head that a command asks";
  std::string out = heads[0];
  for (size_t i = 1; i < heads.size(); ++i) out += (i + 1 < heads.size() ? ", " : " and ") + heads[i];
  return out;
}

void require_head(bool exists, const LoadedModel& model, const std::string& what) {
  check(exists, shown(model.directory), ": no ", what, "; this checkpoint has ", described_heads(model.config));
}

Answers answers_of(const std::vector<double>& scores) {
  Answers out(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) out[i].score = scores[i];
  return out;
}

// Places of the values, largest first; of equal ones the first.
std::vector<size_t> descending(const Answers& answers) {
  std::vector<size_t> order(answers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return answers[a].score > answers[b].score; });
  return order;
}

// `answer` and `reason`: labels of the classifier.
class ClassifierKind : public AskKind {
 public:
  using AskKind::AskKind;
  Answers answer(const LoadedModel& model, std::span<const Question> questions) const override {
    Answers out(questions.size());
    const auto labels = classify(*model.model, questions, top_or(standard()), model.context);
    for (size_t i = 0; i < labels.size(); ++i) out[i].labels = labels[i];
    return out;
  }
  Json results(const LoadedModel& model, const Query&, const Answers& answers) const override {
    Json out = Json::array();
    for (const LabelScore& score : answers[0].labels)
      out.push_back({{"label", name(model, score)}, {"logit", score.logit}, {"probability", score.probability}});
    return out;
  }
  void print(std::ostream& out, const LoadedModel& model, const Query&, const Answers& answers) const override {
    for (const LabelScore& score : answers[0].labels)
      out << fixed_text(score.probability, 3) << "  " << name(model, score) << '\n';
  }

 private:
  virtual int64_t standard() const = 0;
  static const std::string& name(const LoadedModel& model, const LabelScore& score) {
    return model.config.labels[static_cast<size_t>(score.label)];
  }
};

class AnswerKind : public ClassifierKind {
 public:
  using ClassifierKind::ClassifierKind;
  void check_model(const LoadedModel& model) const override {
    require_head(model.config.heads.classifier && model.config.num_images == 1, model, "classifier over one image");
  }
  Query read(const JsonFields& fields) const override { return read_image_and_text(fields); }

 private:
  int64_t standard() const override { return kShown; }
};

class ReasonKind : public ClassifierKind {
 public:
  using ClassifierKind::ClassifierKind;
  void check_model(const LoadedModel& model) const override {
    require_head(model.config.heads.classifier && model.config.num_images > 1, model, "classifier over several images");
  }
  Query read(const JsonFields& fields) const override { return read_images_and_text(fields); }
  void check_images(const LoadedModel& model, const Query& query) const override {
    const auto expected = static_cast<size_t>(model.config.num_images);
    check(query.images.size() == expected, query.images.size(), query.images.size() == 1 ? " image" : " images",
          ", and this checkpoint's classifier looks at ", expected);
  }
  bool together() const override { return true; }

 private:
  int64_t standard() const override { return 0; }
};

class FillKind : public AskKind {
 public:
  using AskKind::AskKind;
  void check_model(const LoadedModel& model) const override {
    require_head(model.config.heads.masked_words, model, "head for masked words");
  }
  Query read(const JsonFields& fields) const override { return read_image_and_text(fields); }
  bool special_tokens() const override { return true; }
  void check_text(const LoadedModel& model, const Words& words) const override {
    const auto& ids = words.sequence.ids;
    const bool has_mask = std::find(ids.begin(), ids.end(), model.vocabulary->mask_id()) != ids.end();
    check(has_mask || words.left_out == 0, "the text ", beginning_of(words.original),
          " has no [MASK] in the part that fits");
    check(has_mask, "the text ", beginning_of(words.original),
          " has no [MASK]; write [MASK] for each hidden word piece");
  }

  Answers answer(const LoadedModel& model, std::span<const Question> questions) const override {
    std::vector<std::vector<int64_t>> masks(questions.size());
    for (size_t q = 0; q < questions.size(); ++q)
      for (size_t t = 0; t < questions[q].ids.size(); ++t)
        if (questions[q].ids[t] == model.vocabulary->mask_id()) masks[q].push_back(static_cast<int64_t>(t));
    const auto words = predict_words(*model.model, questions, masks, top_or(kShown), model.context);
    Answers out(questions.size());
    for (size_t q = 0; q < questions.size(); ++q) {
      out[q].masks = masks[q];
      out[q].words = words[q];
      out[q].ids = questions[q].ids;
    }
    return out;
  }
  Json results(const LoadedModel& model, const Query&, const Answers& answers) const override {
    Json out = Json::array();
    for (size_t m = 0; m < answers[0].masks.size(); ++m) {
      Json tokens = Json::array();
      for (const WordPrediction& word : answers[0].words[m])
        tokens.push_back(
            {{"token", model.vocabulary->token(word.id)}, {"logit", word.logit}, {"probability", word.probability}});
      out.push_back({{"position", answers[0].masks[m]}, {"tokens", std::move(tokens)}});
    }
    return out;
  }
  // The most probable words, and the text with the best of each.
  void print(std::ostream& out, const LoadedModel& model, const Query&, const Answers& answers) const override {
    std::vector<int64_t> filled = answers[0].ids;
    for (size_t m = 0; m < answers[0].masks.size(); ++m) {
      out << "[MASK] " << m + 1 << ":";
      for (const WordPrediction& word : answers[0].words[m])
        out << "  " << model.vocabulary->token(word.id) << ' ' << fixed_text(word.probability, 3);
      out << '\n';
      filled[static_cast<size_t>(answers[0].masks[m])] = answers[0].words[m][0].id;
    }
    out << model.vocabulary->decode(filled) << '\n';
  }
};

class MatchKind : public AskKind {
 public:
  using AskKind::AskKind;
  void check_model(const LoadedModel& model) const override {
    require_head(model.config.heads.matching, model, "matching head");
  }
  Query read(const JsonFields& fields) const override { return read_image_and_texts(fields); }
  Answers answer(const LoadedModel& model, std::span<const Question> questions) const override {
    return answers_of(match_scores(*model.model, questions, model.context));
  }
  // In the order of the captions: each is a question of its own.
  Json results(const LoadedModel&, const Query& query, const Answers& answers) const override {
    Json out = Json::array();
    for (size_t i = 0; i < answers.size(); ++i) {
      const double logit = answers[i].score;
      out.push_back({{"text", query.texts[i]}, {"index", i}, {"logit", logit}, {"probability", sigmoid(logit)}});
    }
    return out;
  }
  void print(std::ostream& out, const LoadedModel&, const Query& query, const Answers& answers) const override {
    for (size_t i = 0; i < answers.size(); ++i)
      out << fixed_text(sigmoid(answers[i].score), 3) << "  " << query.texts[i] << '\n';
  }
};

class RankKind : public AskKind {
 public:
  using AskKind::AskKind;
  void check_model(const LoadedModel& model) const override {
    require_head(model.config.heads.rank || model.config.heads.matching, model, "rank head and no matching head");
  }
  std::string remark(const LoadedModel& model) const override {
    if (model.config.heads.rank) return {};
    return "there is no rank_output; scores are the log-odds of the matching head (itm_score), above 0 for a match";
  }
  Query read(const JsonFields& fields) const override { return read_ranking(fields); }
  Answers answer(const LoadedModel& model, std::span<const Question> questions) const override {
    return answers_of(rank_scores(*model.model, questions, model.context));
  }
  Json results(const LoadedModel&, const Query& query, const Answers& answers) const override {
    Json out = Json::array();
    const char* kind = query.about_images ? "image" : "text";
    for (const size_t i : best(answers))
      out.push_back({{kind, name(query, i)}, {"index", i}, {"score", answers[i].score}});
    return out;
  }
  void print(std::ostream& out, const LoadedModel&, const Query& query, const Answers& answers) const override {
    for (const size_t i : best(answers))
      out << std::setw(9) << fixed_text(answers[i].score, 4) << "  " << name(query, i) << '\n';
  }

 private:
  static const std::string& name(const Query& query, size_t i) {
    return query.about_images ? query.images[i] : query.texts[i];
  }
  std::vector<size_t> best(const Answers& answers) const {
    std::vector<size_t> order = descending(answers);
    if (top_or(0) > 0) order.resize(std::min(order.size(), static_cast<size_t>(top_or(0))));
    return order;
  }
};

}  // namespace

std::unique_ptr<AskKind> answer_kind(int64_t top) { return std::make_unique<AnswerKind>(top); }
std::unique_ptr<AskKind> fill_kind(int64_t top) { return std::make_unique<FillKind>(top); }
std::unique_ptr<AskKind> match_kind(int64_t top) { return std::make_unique<MatchKind>(top); }
std::unique_ptr<AskKind> rank_kind(int64_t top) { return std::make_unique<RankKind>(top); }
std::unique_ptr<AskKind> reason_kind(int64_t top) { return std::make_unique<ReasonKind>(top); }

}  // namespace tessera::command

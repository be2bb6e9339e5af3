// Held-out samples, what a fine-tuned model says of them, and how often it is wrong.
#include <algorithm>
#include <cmath>
#include <map>

#include "io/words.h"
#include "report/html.h"
#include "train/evaluation/spread.h"
#include "vilt/ask/inference.h"
#include "vilt/report/downstream_report.h"
#include "vilt/report/map_svg.h"
#include "vilt/report/shown_pictures.h"
#include "vilt/tasks/evaluation_parts.h"

namespace tessera {
namespace {

constexpr int64_t kBars = 5;
constexpr size_t kMostRows = 15;
Question question_of(const DownstreamReportInputs& inputs, int64_t sample) {
  Question out{inputs.source.text(sample), {}};
  for (int64_t k = 0; k < inputs.task.images; ++k)
    out.images.push_back(std::make_shared<const PatchedImage>(inputs.source.pictures.patched(
        inputs.source.set.samples[static_cast<size_t>(sample)].images[static_cast<size_t>(k)])));
  return out;
}

// "red × 8, orange × 2"
std::string people_said(const VqaQuestion& question) {
  std::map<std::string, int64_t> counts;
  for (const std::string& answer : question.answers) ++counts[answer];
  std::vector<std::pair<std::string, int64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string out;
  for (const auto& [answer, count] : sorted) out += text(out.empty() ? "" : ", ", escape_html(answer), " × ", count);
  return out;
}

std::string example_html(const DownstreamReportInputs& inputs, const Answered& answer,
                         const std::vector<LabelScore>& best, std::span<const WordMaps> maps, ShownPictures& pictures) {
  const auto place = static_cast<size_t>(answer.sample);
  const DownstreamSample& sample = inputs.source.set.samples[place];
  const bool asks = inputs.task.images == 1;
  std::string out = "<article class=\"example\"><div class=\"pictures\">";
  for (int64_t k = 0; k < inputs.task.images; ++k)
    out += pictures.figure(sample.images[static_cast<size_t>(k)], sample.text);
  for (size_t k = 0; k < maps.size(); ++k) out += pictures.map(sample.images[k], maps[k], sample.text);
  out += "</div><div><p class=\"caption\">" + escape_html(sample.text) + "</p>\n";
  out += text("<div class=\"masked ", answer.right() ? "right" : "wrong", "\"><div class=\"asked\"><i>",
              answer.right() ? "✓" : "✗", "</i> <small>",
              asks ? text("people: ", people_said(inputs.part.questions[place]), "; accuracy ", fixed(answer.score, 2))
                   : text("it is ", inputs.part.statements[place].label ? "true" : "false"),
              "</small></div><ol>");
  for (const LabelScore& label : best) {
    const std::string& name = inputs.model.vilt.config.labels[static_cast<size_t>(label.label)];
    const bool right =
        asks ? local_score(sample.targets, label.label) > 0 : inputs.part.statements[place].label == (label.label == 1);
    out += bar_html(name, label.probability, percent(label.probability), right);
  }
  return out + "</ol></div></div></article>\n";
}

struct Count {
  int64_t all = 0, wrong = 0;
  double score = 0;
};
using Counts = std::map<std::string, Count>;

void count(Counts& counts, const std::string& kind, const Answered& answer) {
  Count& one = counts[kind];
  ++one.all;
  one.wrong += !answer.right();
  one.score += answer.score;
}

std::string counts_table(const char* title, const char* first, const Counts& counts) {
  std::vector<std::pair<std::string, Count>> rows(counts.begin(), counts.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second.wrong > b.second.wrong; });
  if (rows.size() > kMostRows) rows.resize(kMostRows);
  std::string out =
      text("<div><h3>", title, "</h3><table><thead><tr><th scope=\"col\">", first,
           "</th><th scope=\"col\">wrong</th><th scope=\"col\">of</th><th scope=\"col\">accuracy</th></tr>"
           "</thead><tbody>");
  for (const auto& [kind, one] : rows)
    out += text("<tr><th scope=\"row\">", escape_html(kind), "</th><td>", with_thousands(one.wrong), "</td><td>",
                with_thousands(one.all), "</td><td>", percent(one.score / static_cast<double>(one.all)), "</td></tr>");
  return out + "</tbody></table></div>\n";
}

// "how many", by which questions are told apart where the files do not say their kind.
std::string first_words(const std::string& question) {
  size_t end = question.find(' ');
  if (end != std::string::npos) end = question.find(' ', end + 1);
  return question.substr(0, end);
}

std::string confusions_table(const DownstreamReportInputs& inputs, const std::vector<Answered>& answered) {
  std::map<std::pair<std::string, std::string>, int64_t> counts;
  for (const Answered& answer : answered)
    if (!answer.right())
      ++counts[{inputs.table.answers()[static_cast<size_t>(answer.label)],
                inputs.part.questions[static_cast<size_t>(answer.sample)].table_answer}];
  std::vector<std::pair<std::pair<std::string, std::string>, int64_t>> rows(counts.begin(), counts.end());
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  if (rows.size() > kMostRows) rows.resize(kMostRows);
  std::string out =
      "<div><h3>Most frequent confusions</h3><table><thead><tr><th scope=\"col\">said</th><th scope=\"col\">for</th>"
      "<th scope=\"col\">times</th></tr></thead><tbody>";
  for (const auto& [pair, times] : rows)
    out += text("<tr><th scope=\"row\">", escape_html(pair.first), "</th><td>", escape_html(pair.second), "</td><td>",
                with_thousands(times), "</td></tr>");
  return rows.empty() ? "" : out + "</tbody></table></div>\n";
}

}  // namespace

std::string answers_html(const DownstreamReportInputs& inputs, const std::vector<Answered>& answered,
                         std::string& symbols) {
  ShownPictures pictures(inputs.source, symbols);
  std::string out =
      text("<p class=\"note\">Held-out ", inputs.task.samples,
           ", spread evenly over those that were answered rightly and over those that were not; nobody "
           "chooses them. Below each the most probable answers; in bold those that ",
           inputs.task.images == 1 ? "people gave. An answer counts as right here from an accuracy of 0.5 on. "
                                   : "are true. ",
           kShownMapNote, "</p>\n", heat_scale_html());
  for (const bool right : {false, true}) {
    std::vector<Answered> kind, chosen;
    for (const Answered& answer : answered)
      if (answer.right() == right) kind.push_back(answer);
    for (const int64_t i : spread(static_cast<int64_t>(kind.size()), inputs.examples))
      chosen.push_back(kind[static_cast<size_t>(i)]);
    if (chosen.empty()) continue;
    std::vector<Question> questions;
    for (const Answered& answer : chosen) questions.push_back(question_of(inputs, answer.sample));
    const auto best = classify(inputs.model, questions, kBars, inputs.context);
    const std::vector<WordMaps> maps = word_maps(inputs.model, questions, {}, inputs.context);  // of each picture
    const auto images = static_cast<size_t>(inputs.task.images);
    out += text("<h3>", right ? "Right" : "Wrong", ": ", with_thousands(static_cast<int64_t>(kind.size())), " of ",
                with_thousands(static_cast<int64_t>(answered.size())), "</h3><div class=\"examples\">\n");
    for (size_t i = 0; i < chosen.size(); ++i)
      out += example_html(inputs, chosen[i], best[i], std::span(maps).subspan(i * images, images), pictures);
    out += "</div>\n";
  }
  return answered.empty() ? "" : out;
}

std::string mistakes_html(const DownstreamReportInputs& inputs, const std::vector<Answered>& answered) {
  if (answered.empty()) return "";
  Counts types, kinds;
  std::map<std::string, std::pair<int64_t, int64_t>> statements;  // how often judged, how often rightly
  for (const Answered& answer : answered) {
    const auto place = static_cast<size_t>(answer.sample);
    if (inputs.task.images == 1) {
      const VqaQuestion& question = inputs.part.questions[place];
      if (!question.answer_type.empty()) count(types, question.answer_type, answer);
      count(kinds, question.question_type.empty() ? first_words(question.question) : question.question_type, answer);
    } else {
      const Nlvr2Example& example = inputs.part.statements[place];
      count(types, example.label ? "true" : "false", answer);
      count(kinds, first_words(example.sentence), answer);
      const auto parts = nlvr2_identifier_parts(example.identifier);
      auto& [judged, right] = statements[text(parts[0], '-', parts[1], '-', parts[3])];
      ++judged;
      right += answer.right();
    }
  }
  std::string out = "<div class=\"side-by-side\">\n";
  if (inputs.task.images == 1) {
    if (!types.empty()) out += counts_table("By type of answer", "type", types);
    out += counts_table("By kind of question", "begins with", kinds) + confusions_table(inputs, answered);
  } else {
    out += counts_table("By what is so", "the statement is", types) +
           counts_table("By the first words", "begins with", kinds);
    int64_t mixed = 0, never = 0;
    for (const auto& [statement, counts] : statements) {
      mixed += counts.second > 0 && counts.second < counts.first;
      never += counts.second == 0;
    }
    out += text("<div><h3>Statements over their pairs</h3><p>Of ",
                with_thousands(static_cast<int64_t>(statements.size())), " statements ", with_thousands(mixed),
                " were judged rightly of some pairs of pictures and wrongly of others, ", with_thousands(never),
                " of none.</p></div>\n");
  }
  return out + "</div>\n";
}

}  // namespace tessera

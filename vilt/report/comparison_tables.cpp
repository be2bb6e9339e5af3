// The final figures of compared runs, and the settings in which they differ.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "io/words.h"
#include "report/html.h"
#include "tensor/error.h"
#include "vilt/report/comparison_parts.h"
#include "vilt/report/figure_names.h"

namespace tessera {
namespace {

struct BlockTitle {
  const char* name;
  const char* title;
};
constexpr BlockTitle kBlockTitles[] = {
    {"test", "Test"},
    {"test_unseen", "Test, unseen: of what occurs in no training picture"},
    {"untrained", "Control, untrained: each model before its first step"},
    {"shuffled_caption", "Control, shuffled caption: another picture's caption"},
    {"text_alone", "Control, text alone: the answer that training gave most often to the same text"}};

std::string block_title(const std::string& name) {
  for (const BlockTitle& block : kBlockTitles)
    if (name == block.name) return block.title;
  return escape_html(name);
}

// One block of figures: the value of each run that has it, figure by figure.
class ComparedBlock {
 public:
  ComparedBlock(const TaskRuns& task, std::string name) : name_(std::move(name)), runs_(task.runs) {
    for (const ComparedRun* run : runs_)
      for (auto& [block, figures] : run->blocks()) {
        if (block != name_) continue;
        for (const auto& [figure, value] : figures) {
          if (std::find(names_.begin(), names_.end(), figure) == names_.end()) names_.push_back(figure);
          values_[{run, figure}] = value;
        }
        if (const auto samples = samples_of(figures)) samples_.insert(*samples);
      }
  }

  const std::vector<std::string>& names() const { return names_; }
  std::optional<double> value(const ComparedRun* run, const std::string& figure) const {
    const auto found = values_.find({run, figure});
    return found == values_.end() || !std::isfinite(found->second) ? std::nullopt : std::optional(found->second);
  }
  // Which of several is best can be said of what was measured on as many samples, and of tests alone: a control is no
  // contest.
  bool has_best() const { return name_.starts_with("test") && samples_.size() <= 1; }
  std::optional<double> samples() const {
    return samples_.size() == 1 ? std::optional(*samples_.begin()) : std::nullopt;
  }

  // The texts of the best values as they are shown, so that what looks the same counts the same; empty: there is none,
  // or all are alike.
  std::string best(const std::string& figure) const {
    const FigureTraits::Better better = figure_traits(figure).better;
    if (!has_best() || better == FigureTraits::Better::neither) return "";
    std::optional<double> best;
    std::set<std::string> shown;
    for (const ComparedRun* run : runs_) {
      const std::optional<double> one = value(run, figure);
      if (!one) continue;
      shown.insert(figure_text(figure, one));
      if (!best || (better == FigureTraits::Better::higher ? *one > *best : *one < *best)) best = one;
    }
    return shown.size() < 2 ? "" : figure_text(figure, best);
  }

 private:
  std::string name_;
  const RunList& runs_;
  std::vector<std::string> names_;
  std::map<std::pair<const ComparedRun*, std::string>, double> values_;
  std::set<double> samples_;
};

// "84.2 % (82.0 %–86.1 %)", or "84.2 %" where that is what all have; "–" where a run of them does not have it.
std::string mean_and_range(const ComparedBlock& block, const RunList& runs, const std::string& figure) {
  std::vector<double> values;
  for (const ComparedRun* run : runs) {
    const std::optional<double> value = block.value(run, figure);
    if (!value) return "–";
    values.push_back(*value);
  }
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  if (figure_text(figure, *low) == figure_text(figure, *high)) return figure_text(figure, mean);
  return text(figure_text(figure, mean), " (", figure_text(figure, *low), "–", figure_text(figure, *high), ")");
}

std::string mean_title(const RunList& runs) {
  std::string out = "mean of ";
  for (const ComparedRun* run : runs) out += text(run == runs[0] ? "" : ", ", run->letter);
  return out + " (min–max)";
}

std::string heads(const RunList& runs, const std::vector<RunList>& seeds) {
  std::string out = "<thead><tr><th scope=\"col\"></th>";
  for (const ComparedRun* run : runs) out += "<th scope=\"col\">" + escape_html(run->title()) + "</th>";
  for (const RunList& alike : seeds) out += "<th scope=\"col\">" + escape_html(mean_title(alike)) + "</th>";
  return out + "</tr></thead>";
}

template <class Wanted>
std::string block_table(const ComparedBlock& block, const RunList& runs, const std::vector<RunList>& seeds,
                        Wanted&& wanted) {
  std::string rows;
  for (const std::string& figure : block.names()) {
    if (!wanted(figure)) continue;
    const std::string best = block.best(figure);
    rows += "<tr><th scope=\"row\">" + escape_html(figure_title(figure)) + "</th>";
    for (const ComparedRun* run : runs) {
      const std::string value = figure_text(figure, block.value(run, figure));
      const bool is_best = !best.empty() && value == best;
      rows += text("<td", is_best ? " class=\"best\"" : "", " data-label=\"", escape_html(run->title()), "\">",
                   is_best ? "<span class=\"mark\" role=\"img\" aria-label=\"best\">★</span>" : "", value, "</td>");
    }
    for (const RunList& alike : seeds)
      rows += text("<td class=\"mean\" data-label=\"", escape_html(mean_title(alike)), "\">",
                   mean_and_range(block, alike, figure), "</td>");
    rows += "</tr>\n";
  }
  if (rows.empty()) return "";
  return "<div class=\"scroll\"><table class=\"figures compared\">" + heads(runs, seeds) + "<tbody>\n" + rows +
         "</tbody></table></div>\n";
}

std::string block_html(const TaskRuns& task, const std::string& name, const std::string& of,
                       const std::vector<RunList>& seeds) {
  const ComparedBlock block(task, name);
  const auto is_part = [](const std::string& figure) { return figure.find('/') != std::string::npos; };
  std::string out = "<h3>" + block_title(name) + of + "</h3>\n";
  if (const auto samples = block.samples(); samples && *samples > 0 && block.has_best())
    out += text("<p class=\"note\">From ", with_thousands(static_cast<int64_t>(*samples)),
                " samples alone, a share of them has a standard error of up to ", fixed(50 / std::sqrt(*samples), 1),
                " points.</p>\n");
  out += block_table(block, task.runs, seeds, [&](const std::string& figure) { return !is_part(figure); });
  const std::string parts = block_table(block, task.runs, seeds, is_part);
  if (!parts.empty()) out += "<details><summary>By kind and layer</summary>\n" + parts + "</details>\n";
  return out;
}

}  // namespace

std::optional<double> samples_of(const NamedFigures& figures) {
  for (const std::string_view count : {"samples", "captions", "questions", "statements", "images"})
    for (const auto& [name, value] : figures)
      if (name == count) return value;
  return std::nullopt;
}

std::string compared_figures_html(const std::vector<TaskRuns>& tasks) {
  std::string out;
  for (const TaskRuns& task : tasks) {
    const std::vector<RunList> seeds = by_seed(task);
    std::vector<std::string> names;
    for (const ComparedRun* run : task.runs)
      for (const auto& [name, figures] : run->blocks())
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    // A second test that the first run does not have stands with the tests all the same.
    std::stable_partition(names.begin(), names.end(), [](const std::string& name) { return name.starts_with("test"); });
    for (const std::string& name : names)
      out += block_html(task, name, tasks.size() > 1 ? " (" + escape_html(task.task) + ")" : "", seeds);
  }
  if (out.empty()) return "<p>No run is finished, so there are no final figures yet.</p>\n";
  size_t runs = 0;
  for (const TaskRuns& task : tasks) runs += task.runs.size();
  if (runs < 2) return out;
  return "<p class=\"note\">★ and bold type mark the best of a row, by the digits that are shown, where higher or "
         "lower "
         "is better and the runs do not all say the same. Runs that are the same but for their seed have their mean "
         "and "
         "range beside them.</p>\n" +
         out;
}

std::string compared_settings_html(std::span<const ComparedRun> runs) {
  std::vector<std::string> keys;
  std::vector<std::map<std::string, std::string>> values;
  RunList all;
  for (const ComparedRun& run : runs) {
    all.push_back(&run);
    values.emplace_back(run.settings.begin(), run.settings.end());
    for (const auto& [key, value] : run.settings)
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  }
  std::string rows;
  size_t equal = 0;
  for (const std::string& key : keys) {
    if (key == "train.out") continue;
    const auto value_of = [&](const auto& of) {
      const auto found = of.find(key);
      return found == of.end() ? std::string("–") : found->second;  // a setting of another system
    };
    const std::string first = value_of(values[0]);
    if (std::all_of(values.begin(), values.end(), [&](const auto& of) { return value_of(of) == first; })) {
      ++equal;
      continue;
    }
    rows += "<tr><th scope=\"row\">" + escape_html(key) + "</th>";
    for (size_t run = 0; run < runs.size(); ++run)
      rows +=
          text("<td data-label=\"", escape_html(runs[run].title()), "\">", escape_html(value_of(values[run])), "</td>");
    rows += "</tr>\n";
  }
  const std::string note =
      text("<p class=\"note\">", equal, " other settings are equal (train.out, each run's own folder, ",
           "is not counted).</p>\n");
  if (rows.empty()) return "<p>The runs have the same settings.</p>\n" + note;
  return "<div class=\"scroll\"><table class=\"figures compared wrapped\">" + heads(all, {}) + "<tbody>\n" + rows +
         "</tbody></table></div>\n" + note;
}

}  // namespace tessera

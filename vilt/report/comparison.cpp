#include "vilt/report/comparison.h"

#include <algorithm>
#include <set>

#include "io/words.h"
#include "report/html.h"
#include "tensor/error.h"
#include "vilt/report/comparison_parts.h"
#include "vilt/report/report_page.h"

namespace tessera {
namespace {

// What moves no number of a run, or tells runs apart that are to be taken together.
bool may_differ_among_seeds(std::string_view key) {
  for (const std::string_view free :
       {"train.seed", "train.out", "train.title", "train.threads", "train.checkpoint_every", "train.log_every",
        "train.evaluate_every", "train.evaluate_samples", "train.tensorboard", "train.tensorboard_pictures",
        "train.extend", "train.changed_data", "data.workers", "data.prefetch", "data.cache_bytes"})
    if (key == free) return true;
  return false;
}

std::string all_but_the_seed(const ComparedRun& run) {
  std::string out;
  for (const auto& [key, value] : run.settings)
    if (!may_differ_among_seeds(key)) out += text(key, " = ", value, '\n');
  for (const auto& [what, value] : run.data) out += text(what, " = ", value, '\n');
  return out + text(run.summary ? run.summary->steps : run.step);
}

std::string remarks_html(const std::vector<std::string>& remarks) {
  std::string out;
  for (const std::string& remark : remarks) out += "<li>" + escape_html(remark) + "</li>\n";
  return out.empty() ? "" : "<ul class=\"remarks\">\n" + out + "</ul>\n";
}

std::string run_cell(const char* label, const std::string& value) {
  return text("<td data-label=\"", label, "\">", escape_html(value), "</td>");
}

}  // namespace

std::vector<TaskRuns> by_task(std::span<const ComparedRun> runs) {
  std::vector<TaskRuns> out;
  for (const ComparedRun& run : runs) {
    const std::string& task = run.group();
    auto place = std::find_if(out.begin(), out.end(), [&](const TaskRuns& one) { return one.task == task; });
    if (place == out.end()) place = out.insert(out.end(), {task, {}});
    place->runs.push_back(&run);
  }
  return out;
}

std::vector<RunList> by_seed(const TaskRuns& task) {
  std::vector<std::pair<std::string, RunList>> alike;
  for (const ComparedRun* run : task.runs) {
    if (!run->finished()) continue;
    const std::string key = all_but_the_seed(*run);
    auto place = std::find_if(alike.begin(), alike.end(), [&](const auto& one) { return one.first == key; });
    if (place == alike.end()) place = alike.insert(alike.end(), {key, {}});
    place->second.push_back(run);
  }
  std::vector<RunList> out;
  for (auto& [key, runs] : alike) {
    std::set<int64_t> seeds;
    for (const ComparedRun* run : runs) seeds.insert(run->train.seed);
    if (seeds.size() > 1) out.push_back(std::move(runs));
  }
  return out;
}

RunLine line_of(const ComparedRun& run) {
  const int place = run.letter[0] - 'A';
  constexpr Series::Line kLines[] = {Series::Line::solid, Series::Line::dashed, Series::Line::dotted};
  return {1 + place % 4, kLines[place % 3]};
}

std::string titles_of(const RunList& runs) {
  std::string out;
  for (size_t i = 0; i < runs.size(); ++i)
    out += text(i == 0 ? "" : i + 1 == runs.size() ? " and " : ", ", runs[i]->title());
  return out;
}

std::string compared_runs_html(std::span<const ComparedRun> runs) {
  std::string rows;
  for (const ComparedRun& run : runs) {
    const RunLine line = line_of(run);
    const int64_t steps = run.train.steps;
    rows += text("<tr><th scope=\"row\" class=\"c", line.colour, "\">", line_key(line.line), escape_html(run.title()),
                 "<small>", escape_html(run.train.title), "</small></th>");
    rows += run_cell("task", run.task);
    rows += run_cell("steps", run.finished()
                                  ? with_thousands(run.summary->steps)
                                  : text(with_thousands(run.step), " of ", with_thousands(steps), ", unfinished"));
    rows += run_cell("samples a step", with_thousands(run.train.batch_size));
    rows += run_cell("parameters", run.summary ? with_thousands(run.summary->parameters) : "–");
    rows += run_cell("training time", run.summary ? duration(run.summary->train_seconds) : "–");
    rows += run_cell("seed", text(run.train.seed));
    rows += run_cell("device", run.train.device);
    rows += run_cell("precision", run.train.precision) + "</tr>\n";
  }
  std::string head;
  for (const char* name :
       {"task", "steps", "samples a step", "parameters", "training time", "seed", "device", "precision"})
    head += text("<th scope=\"col\">", name, "</th>");
  return "<div class=\"scroll\"><table class=\"figures compared\"><thead><tr><th scope=\"col\">run</th>" + head +
         "</tr></thead><tbody>\n" + rows + "</tbody></table></div>\n";
}

std::string comparison_html(std::span<const ComparedRun> runs, const std::string& command) {
  const std::vector<TaskRuns> tasks = by_task(runs);
  const std::string mark = "content=\"";
  const std::string_view generator = kComparisonMark.substr(kComparisonMark.find(mark) + mark.size());
  return page_html({.title = text(runs.size(), " runs compared"),
                    .lead = "Each run has a letter, and a colour and a kind of line of its own.",
                    .command = command,
                    .facts = "",
                    .symbols = "",
                    .tiles = remarks_html(comparison_remarks(runs)),
                    .sections = {{"runs", "Runs", "Runs", compared_runs_html(runs)},
                                 {"figures", "Figures", "Final figures", compared_figures_html(tasks)},
                                 {"curves", "Curves", "Curves", compared_curves_html(tasks)},
                                 {"settings", "Settings", "Settings that differ", compared_settings_html(runs)}},
                    .generator = std::string(generator.substr(0, generator.find('"')))});
}

std::string system_report_html(const ComparedRun& run, const std::string& command) {
  const std::vector<TaskRuns> tasks = by_task({&run, 1});
  std::string settings;
  for (const auto& [key, value] : run.settings)
    settings += "<tr><th scope=\"row\">" + escape_html(key) + "</th>" + run_cell("value", value) + "</tr>\n";
  const std::string title = run.train.title.empty() ? run.name : run.train.title;
  return page_html({.title = title,
                    .lead = "A run of the system " + run.task + ".",
                    .command = command,
                    .facts = "",
                    .symbols = "",
                    .tiles = remarks_html(comparison_remarks({&run, 1})),
                    .sections = {{"runs", "Run", "Run", compared_runs_html({&run, 1})},
                                 {"figures", "Figures", "Final figures", compared_figures_html(tasks)},
                                 {"curves", "Curves", "Curves", compared_curves_html(tasks)},
                                 {"settings", "Settings", "Settings",
                                  "<div class=\"scroll\"><table class=\"figures wrapped\"><tbody>\n" + settings +
                                      "</tbody></table></div>\n"}},
                    .generator = ""});
}

}  // namespace tessera

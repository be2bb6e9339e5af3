// What has to be known before figures of runs are compared.
#include <algorithm>
#include <set>

#include "io/printable.h"
#include "io/words.h"
#include "tensor/error.h"
#include "vilt/report/comparison.h"
#include "vilt/report/comparison_parts.h"

namespace tessera {
namespace {

// "A one 60, B two 100", of what `value` says of each run; empty where all say the same.
template <class Value>
std::string unequal(const RunList& runs, Value&& value) {
  std::string out;
  bool differ = false;
  for (const ComparedRun* run : runs) {
    differ = differ || value(*run) != value(*runs[0]);
    out += text(out.empty() ? "" : ", ", run->title(), ' ', with_thousands(value(*run)));
  }
  return differ ? out : "";
}

bool is_number(const std::string& value) {
  // A hash has 16 hexadecimal digits.
  return value.size() < 16 && !value.empty() && value.find_first_not_of("0123456789") == std::string::npos;
}

// "captions (24 instead of 40), caption texts"; empty: what both tell is the same.
std::string data_differences(const ComparedRun& first, const ComparedRun& other) {
  std::string out;
  for (const auto& [what, value] : first.data) {
    const auto found = other.data.find(what);
    if (found == other.data.end() || found->second == value) continue;
    out += text(out.empty() ? "" : ", ", escape_controls(what));
    if (is_number(value) && is_number(found->second)) out += text(" (", found->second, " instead of ", value, ')');
  }
  return out;
}

void remark_data(const RunList& runs, std::vector<std::string>& out) {
  const auto known = std::find_if(runs.begin(), runs.end(), [](const ComparedRun* run) { return !run->data.empty(); });
  RunList unknown;
  std::vector<std::pair<std::string, RunList>> others;
  for (const ComparedRun* run : runs) {
    if (run->data.empty()) {
      unknown.push_back(run);
      continue;
    }
    const std::string differences = data_differences(**known, *run);
    if (differences.empty()) continue;
    const auto same =
        std::find_if(others.begin(), others.end(), [&](const auto& one) { return one.first == differences; });
    if (same == others.end())
      others.push_back({differences, {run}});
    else
      same->second.push_back(run);
  }
  for (const auto& [differences, of] : others)
    out.push_back(text(titles_of(of), of.size() == 1 ? " was" : " were", " trained on other data than ",
                       (*known)->title(), ", which differ in ", differences, '.'));
  if (!unknown.empty())
    out.push_back(text("On which data ", titles_of(unknown), unknown.size() == 1 ? " was" : " were",
                       " trained is not known: no checkpoint tells it."));
}

void remark_progress(const RunList& runs, std::vector<std::string>& out) {
  for (const ComparedRun* run : runs) {
    if (!run->finished())
      out.push_back(text(run->title(), " is unfinished, at step ", with_thousands(run->step), " of ",
                         with_thousands(run->train.steps), ": it has no final figures yet."));
    if (run->log.training.empty() && run->log.evaluations.empty())
      out.push_back(run->title() + " has logged nothing yet.");
    else if (run->log.evaluations.empty())
      out.push_back(run->title() + " has logged no evaluation, so it has no validation curves.");
    const std::string damaged = run->log.left_out.words();
    if (!damaged.empty()) out.push_back(text(shown(run->folder / "metrics.jsonl"), ": ", damaged, '.'));
  }
}

void remark_samples(const TaskRuns& task, std::vector<std::string>& out) {
  std::set<std::string> told;
  for (const ComparedRun* run : task.runs)
    for (const auto& [name, ignored] : run->blocks()) {
      if (!name.starts_with("test") || !told.insert(name).second) continue;
      std::string list;
      std::set<double> numbers;
      for (const ComparedRun* other : task.runs)
        for (const auto& [block, figures] : other->blocks())
          if (const auto samples = samples_of(figures); block == name && samples) {
            numbers.insert(*samples);
            list += text(list.empty() ? "" : ", ", other->title(), ' ', with_thousands(static_cast<int64_t>(*samples)));
          }
      if (numbers.size() > 1)
        out.push_back(text("The figures \"", escape_controls(name), "\" are of different numbers of samples (", list,
                           "), so none of them is marked as the best."));
    }
}

void remark_repetitions(const TaskRuns& task, std::vector<std::string>& out) {
  for (const RunList& alike : by_seed(task)) {
    std::map<int64_t, RunList> of_seed;
    for (const ComparedRun* run : alike) of_seed[run->train.seed].push_back(run);
    for (const auto& [seed, runs] : of_seed)
      if (runs.size() > 1)
        out.push_back(text(titles_of(runs), " have the same settings and the same seed, ", seed, '.'));
  }
}

}  // namespace

std::vector<std::string> comparison_remarks(std::span<const ComparedRun> runs) {
  std::vector<std::string> out;
  const std::vector<TaskRuns> tasks = by_task(runs);
  if (tasks.size() > 1) {
    std::string list;
    for (const TaskRuns& task : tasks) list += text(list.empty() ? "" : "; ", task.task, ": ", titles_of(task.runs));
    out.push_back("The runs are of different tasks, and are compared within each alone (" + list + ").");
  }
  for (const TaskRuns& task : tasks) {
    remark_data(task.runs, out);
    const std::string steps = unequal(task.runs, [](const ComparedRun& run) { return run.train.steps; });
    if (!steps.empty()) out.push_back("The runs are of different numbers of steps: " + steps + ".");
    const std::string batch = unequal(task.runs, [](const ComparedRun& run) { return run.train.batch_size; });
    if (!batch.empty())
      out.push_back("A step has different numbers of samples, and curves are over steps: " + batch + ".");
    remark_samples(task, out);
    remark_progress(task.runs, out);
    remark_repetitions(task, out);
  }
  return out;
}

}  // namespace tessera

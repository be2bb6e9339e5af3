#include "vilt/report/compared_runs.h"

#include <algorithm>

#include "io/printable.h"
#include "tensor/error.h"
#include "train/checkpoint.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

// A run that is being trained may replace its checkpoint between the look for it and the reading.
std::optional<TrainingState> newest_state(const fs::path& run) {
  for (int attempt = 0;; ++attempt) {
    const std::optional<fs::path> checkpoint = newest_checkpoint(run);
    if (!checkpoint) return std::nullopt;
    try {
      return read_training_state(*checkpoint, {});
    } catch (const Error&) {
      if (attempt == 3 || newest_checkpoint(run) == checkpoint) throw;
    }
  }
}

std::string text_of(const fs::path& file) {
  const std::vector<uint8_t> bytes = read_file(file);
  return {bytes.begin(), bytes.end()};
}

// "system.kind" of settings; "": ViLT's.
std::string system_of(const std::string& toml, const fs::path& file) {
  return named_setting(toml, shown(file), {}, "system.kind", "");
}

void read_settings_of(const fs::path& file, ComparedRun& run) {
  const std::string toml = text_of(file);
  run.task = system_of(toml, file);
  run.other_system = !run.task.empty();
  if (run.other_system) {
    run.settings = listed_in(toml, shown(file));
    read_known_settings(slots_of(run.train), toml, shown(file));
    return;
  }
  const Settings settings = Settings::from_text(toml, shown(file));
  run.task = settings.train.task;
  run.train = settings.train;
  run.settings = settings.listed();
}

ComparedRun read_run(const fs::path& folder) {
  check_is_run(folder);
  ComparedRun run;
  run.folder = folder;
  read_settings_of(folder / "settings.toml", run);
  run.log = read_metrics(folder / "metrics.jsonl");
  if (fs::exists(folder / "summary.json")) {
    run.summary = read_summary(folder / "summary.json");
    run.step = run.summary->steps;
  }
  if (const auto state = newest_state(folder)) {
    run.data = state->data;
    run.step = std::max(run.step, state->step);
  }
  for (const auto* rows : {&run.log.training, &run.log.evaluations})
    if (!rows->empty()) run.step = std::max(run.step, static_cast<int64_t>(rows->back().step));
  return run;
}

}  // namespace

std::vector<std::pair<std::string, NamedFigures>> ComparedRun::blocks() const {
  std::vector<std::pair<std::string, NamedFigures>> out;
  if (!summary) return out;
  for (const auto& [block, figures] : summary->figures) out.emplace_back(block, figures);
  for (const auto& [block, evaluation] : summary->blocks) out.emplace_back(block, named_figures(evaluation));
  // The test stands before its controls.
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return a.first.starts_with("test") > b.first.starts_with("test");
  });
  return out;
}

bool is_of_other_system(const fs::path& run) {
  const fs::path file = run / "settings.toml";
  return !system_of(text_of(file), file).empty();
}

ComparedRun read_single_run(const fs::path& folder) {
  ComparedRun run = read_run(folder);
  run.letter = "A";
  run.name = shown(fs::canonical(folder).filename());
  return run;
}

void check_is_run(const fs::path& folder) {
  check(fs::is_directory(folder), shown(folder), ": no such directory; expected the folder of a run");
  check(fs::exists(folder / "settings.toml"), shown(folder), ": no run (there is no settings.toml)");
}

std::vector<ComparedRun> read_compared_runs(std::span<const fs::path> folders) {
  check(folders.size() >= 2, "one run is compared with nothing; name two or more, or leave --compare out");
  check(folders.size() <= kMostComparedRuns, folders.size(), " runs, expected at most ", kMostComparedRuns,
        ", of which lines and names can be told apart");
  std::vector<ComparedRun> runs;
  std::vector<fs::path> places;
  std::map<std::string, int> names;
  for (const fs::path& folder : folders) {
    ComparedRun& run = runs.emplace_back(read_run(folder));
    const fs::path place = fs::canonical(folder);
    const auto same = std::find(places.begin(), places.end(), place);
    check(same == places.end(), shown(folder), ": the same run as ",
          shown(folders[static_cast<size_t>(same - places.begin())]), "; each is compared once");
    places.push_back(place);
    run.letter = static_cast<char>('A' + runs.size() - 1);
    run.name = shown(place.filename());
    ++names[run.name];
  }
  for (ComparedRun& run : runs)
    if (names[run.name] > 1) run.name = shown(run.folder);
  return runs;
}

}  // namespace tessera

#include "train/checkpoint.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/printable.h"
#include "io/safetensors.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

const std::string kPrefix = "checkpoint-", kPartialPrefix = "partial-" + kPrefix;

Json read_json(const fs::path& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  Json out = Json::parse(bytes.begin(), bytes.end(), nullptr, false);
  check(out.is_object(), shown(path), ": not a JSON object");
  return out;
}

// The sums since the last logged step, field by field: what every training has, then each loss of the table.
template <class I, class Field>
void visit_interval(I& interval, Field&& field) {
  field("steps", interval.steps);
  field("seconds", interval.seconds);
  field("data_wait", interval.wait);
  field("loss", interval.sum.loss);
  field("grad_norm", interval.sum.gradient_norm);
}

template <class I, class Field>
void visit_terms(I& interval, Field&& field) {
  for (auto& of : interval.sum.terms) {
    field(of.term.name + "_loss", of.loss);
    if (of.term.counted.empty()) continue;
    field(of.term.counted, of.count);
    field(of.term.counted + "_correct", of.correct);
  }
}

std::string state_json(const TrainingState& state) {
  Json out;
  out["step"] = state.step;
  out["steps"] = state.steps;
  out["data_cursor"] = {{"next_step", state.step}};
  out["seed"] = state.seed;
  out["data"] = state.data;
  out["schedule"] = {{"peak", state.schedule.peak},
                     {"warmup", state.schedule.warmup},
                     {"total", state.schedule.total},
                     {"power", state.schedule.power},
                     {"end", state.schedule.end}};
  if (state.schedule.constant_from >= 0) out["schedule"]["constant_from"] = state.schedule.constant_from;
  out["train_seconds"] = state.train_seconds;
  Json& interval = out["since_logged"];
  const auto write = [&](const std::string& name, const auto& value) { interval[name] = value; };
  visit_interval(state.interval, write);
  visit_terms(state.interval, write);
  out["settings"] = state.settings;
  return out.dump(2) + "\n";
}

// The step that a checkpoint's directory name says; -1 if it is no such name.
int64_t step_of(const fs::path& path) {
  const std::string name = path.filename().string();
  if (!name.starts_with(kPrefix) || name.size() == kPrefix.size() || name.size() > kPrefix.size() + 15) return -1;
  const std::string digits = name.substr(kPrefix.size());
  return std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }) ? std::stoll(digits)
                                                                                                : -1;
}

// Takes a checkpoint's name away before its files, so that no half of one is ever found under it.
void remove_whole(const fs::path& checkpoint) {
  if (!fs::exists(checkpoint)) return;
  const fs::path aside = checkpoint.parent_path() / (kPartialPrefix + "old");
  fs::remove_all(aside);
  fs::rename(checkpoint, aside);
  fs::remove_all(aside);
}

// Also removes what was being written or removed when an earlier process was killed.
void remove_checkpoints_but(const fs::path& run, int64_t kept_step) {
  std::vector<fs::path> checkpoints, partial;
  for (const fs::directory_entry& entry : fs::directory_iterator(run)) {
    const int64_t step = step_of(entry.path());
    if (step >= 0 && step != kept_step) checkpoints.push_back(entry.path());
    if (entry.path().filename().string().starts_with(kPartialPrefix)) partial.push_back(entry.path());
  }
  for (const fs::path& checkpoint : checkpoints) remove_whole(checkpoint);
  for (const fs::path& left : partial) fs::remove_all(left);
}

}  // namespace

void save_checkpoint(const fs::path& run, const TrainingState& state, const AdamW& optimizer,
                     const std::function<void(const fs::path& folder)>& save_model) {
  fs::create_directories(run);
  const fs::path final_place = run / (kPrefix + std::to_string(state.step));
  const fs::path beside = run / (kPartialPrefix + std::to_string(state.step));
  fs::remove_all(beside);
  fs::create_directories(beside);
  save_model(beside);
  save_safetensors((beside / "optimizer.safetensors").string(), optimizer.state());
  write_file_atomically(beside / "state.json", state_json(state), Durability::power);
  remove_whole(final_place);
  fs::rename(beside, final_place);
  flush_folder(run);  // before those are gone that it takes the place of
  remove_checkpoints_but(run, state.step);
}

void remove_checkpoints(const fs::path& run) {
  if (fs::is_directory(run)) remove_checkpoints_but(run, -1);
}

std::optional<fs::path> newest_checkpoint(const fs::path& run) {
  std::optional<fs::path> newest;
  if (!fs::is_directory(run)) return newest;
  for (const fs::directory_entry& entry : fs::directory_iterator(run))
    if (step_of(entry.path()) >= 0 && (!newest || step_of(entry.path()) > step_of(*newest))) newest = entry.path();
  return newest;
}

TrainingState read_training_state(const fs::path& checkpoint, const FigureTable& table) {
  const fs::path path = checkpoint / "state.json";
  const Json in = read_json(path);
  TrainingState state;
  state.interval = Interval(table);
  try {
    state.step = in.at("step").get<int64_t>();
    state.seed = in.at("seed").get<uint64_t>();
    state.train_seconds = in.at("train_seconds").get<double>();
    state.settings = in.at("settings").get<std::string>();
    const Json& interval = in.at("since_logged");
    visit_interval(state.interval, [&](const std::string& name, auto& value) { interval.at(name).get_to(value); });
    visit_terms(state.interval, [&](const std::string& name, auto& value) {
      if (interval.contains(name)) interval.at(name).get_to(value);
    });
    const Json& schedule = in.at("schedule");
    state.schedule = {schedule.at("peak").get<double>(),   schedule.at("warmup").get<int64_t>(),
                      schedule.at("total").get<int64_t>(), schedule.at("power").get<double>(),
                      schedule.at("end").get<double>(),    schedule.value("constant_from", int64_t{-1})};
    state.data = in.value("data", state.data);
    state.steps = in.value("steps", state.schedule.total);  // older files do not say it
  } catch (const nlohmann::json::exception& error) {
    fail(shown(path), ": ", error.what());
  }
  check(state.step >= 0, shown(path), ": step is ", state.step);
  return state;
}

void load_checkpoint(const fs::path& checkpoint, AdamW& optimizer,
                     const std::function<std::function<void()>(const fs::path& folder)>& open_model) {
  const std::string moments = (checkpoint / "optimizer.safetensors").string();
  const SafeTensors state = load_safetensors(moments);
  const std::function<void()> load_model = open_model(checkpoint);
  optimizer.load_state(state.tensors, moments);
  load_model();
}

}  // namespace tessera

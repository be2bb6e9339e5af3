// What runs of scenes-sized models have learnt, and in what time: from their summary.json, whatever was trained.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/printable.h"
#include "vilt/command/zoo.h"

namespace tessera::command {
namespace {

using nlohmann::json;

// The first of these names that the block of the test split has. A similarity has no threshold, so that of two pictures
// it tells which is the true one: "(ranked)".
std::optional<double> figure_of(const json& summary, std::initializer_list<const char*> names) {
  const auto test = summary.find("test");
  if (test == summary.end() || !test->is_object()) return {};
  for (const char* name : names)
    if (const auto found = test->find(name); found != test->end() && found->is_number()) return found->get<double>();
  return {};
}

template <class Number>
Number number_of(const json& summary, const char* name, const std::filesystem::path& path) {
  const auto found = summary.find(name);
  check(found != summary.end() && found->is_number() && *found >= 0, shown(path), ": '", name,
        "' is no number from 0 on");
  return found->get<Number>();
}

}  // namespace

std::vector<ZooRun> read_zoo_runs(const std::vector<std::string>& folders) {
  std::vector<ZooRun> out;
  for (const std::string& folder : folders) {
    const std::filesystem::path path = std::filesystem::path(folder) / "summary.json";
    check(std::filesystem::exists(path), shown(folder), ": no finished run (there is no summary.json)");
    const std::vector<uint8_t> bytes = read_file(path);
    const json summary = json::parse(bytes.begin(), bytes.end(), nullptr, false);
    check(summary.is_object(), shown(path), ": not a JSON object");
    ZooRun run;
    const std::filesystem::path named = std::filesystem::path(folder) / "";
    run.name = shown(named.parent_path().filename());
    const auto task = summary.find("task");
    run.system = task != summary.end() && task->is_string() ? shown(task->get<std::string>()) : "";
    if (run.system.empty()) run.system = "vilt";
    run.parameters = number_of<int64_t>(summary, "parameters", path);
    run.train_seconds = number_of<double>(summary, "train_seconds", path);
    run.random = figure_of(summary, {"matching random", "matching random (ranked)", "itm_accuracy_random"});
    run.sibling = figure_of(summary, {"matching sibling", "matching sibling (ranked)", "itm_accuracy_hard"});
    run.words = figure_of(summary, {"masked words", "mlm_accuracy_content"});
    out.push_back(std::move(run));
  }
  return out;
}

}  // namespace tessera::command

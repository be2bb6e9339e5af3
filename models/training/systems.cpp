#include "models/training/systems.h"

#include "models/clip/system.h"
#include "models/pixelbert/system.h"
#include "models/regions/system.h"
#include "models/training/job.h"
#include "models/uniter/system.h"
#include "models/vilbert/system.h"
#include "models/vse/system.h"

namespace tessera {
namespace {

using Path = std::filesystem::path;
using Overrides = std::vector<std::string>;

template <class System>
SystemRun run_of(const Path& config, const Overrides& overrides) {
  const auto settings = SystemJob<System>::Settings::from_toml(config, overrides);
  return {settings.train.out, settings.train.device};
}

template <class System>
std::string toml_of(const Path& config) {
  return SystemJob<System>::Settings::from_toml(config).to_toml();
}

template <class System>
TaskSummary train_by(const Path& config, const Overrides& overrides, const TrainingOptions& options) {
  SystemJob<System> job(SystemJob<System>::Settings::from_toml(config, overrides), options);
  return Training<SystemJob<System>>(job, options).go();
}

struct SystemEntry {
  const char* name;
  SystemRun (*run)(const Path& config, const Overrides& overrides);
  std::string (*toml)(const Path& config);
  TaskSummary (*train)(const Path& config, const Overrides& overrides, const TrainingOptions& options);
};

template <class System>
constexpr SystemEntry entry_of() {
  return {System::kName, run_of<System>, toml_of<System>, train_by<System>};
}

const std::vector<SystemEntry>& systems() {
  static const std::vector<SystemEntry> all{entry_of<RegionsSystem>(), entry_of<ClipSystem>(),
                                            entry_of<VseSystem>(),     entry_of<UniterSystem>(),
                                            entry_of<VilbertSystem>(), entry_of<PixelBertSystem>()};
  return all;
}

const SystemEntry& system_of(const Path& config, const Overrides& overrides) {
  const std::string kind = system_named(config, overrides);
  std::string names;
  for (const SystemEntry& entry : systems()) {
    if (entry.name == kind) return entry;
    names += text(names.empty() ? "" : ", ", entry.name);
  }
  fail("setting '", kSystemKind, "' is '", kind, "', expected one of: ", names, "; without it ViLT is trained");
}

}  // namespace

std::string system_named(const Path& config, const Overrides& overrides) {
  const std::vector<uint8_t> bytes = read_file(config);
  return named_setting({bytes.begin(), bytes.end()}, shown(config), overrides, kSystemKind, "");
}

SystemRun system_run(const Path& config, const Overrides& overrides) {
  return system_of(config, overrides).run(config, overrides);
}

std::string system_toml(const Path& config) { return system_of(config, {}).toml(config); }

TaskSummary train_system(const Path& config, const Overrides& overrides, const TrainingOptions& options) {
  return system_of(config, overrides).train(config, overrides, options);
}

}  // namespace tessera

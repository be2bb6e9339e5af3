#include "vilt/tasks/settings.h"

#include "tests/fuzz/targets.h"

namespace tessera::fuzz {

void settings(Bytes bytes) {
  Settings settings;
  if (!accepted([&] { settings = Settings::from_text(std::string(as_text(bytes)), "fuzz"); })) return;
  const std::string toml = settings.to_toml();
  ensure(Settings::from_text(toml, "written").to_toml() == toml, "writing and reading changed the settings");
}

}  // namespace tessera::fuzz

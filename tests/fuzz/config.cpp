#include "vilt/config.h"

#include "tests/fuzz/targets.h"

namespace tessera::fuzz {

void config(Bytes bytes) {
  accepted([&] { labels_of_json(std::string(as_text(bytes)), "fuzz"); });
  ModelConfig config;
  if (!accepted([&] { config = ModelConfig::from_json(std::string(as_text(bytes)), "fuzz"); })) return;
  config.validate();
  ensure(config.head_size() >= 1 && config.table_side() >= 1, "sizes of ", config.head_size(), ", ",
         config.table_side());
  const std::string json = config.to_json();
  ensure(ModelConfig::from_json(json, "written").to_json() == json, "writing and reading changed the configuration");
}

}  // namespace tessera::fuzz

#include "vilt/tasks/run_scores.h"

#include "io/sha256.h"
#include "io/words.h"

namespace tessera {

std::filesystem::path run_scores(const std::filesystem::path& run) { return run / "test_scores.safetensors"; }

std::string weights_hash(const ParameterSet& parameters) {
  Sha256 hash;
  for (const auto& [name, values] : parameters.state()) {
    const Tensor here = values.to(Device{}).contiguous();
    hash.add(text(name, ' ', here.shape(), '\n'));
    hash.add({reinterpret_cast<const char*>(here.data<float>()), static_cast<size_t>(here.bytes())});
  }
  return "sha256 " + hash.hexadecimal();
}

void keep_scores(const std::filesystem::path& run, const Settings& settings, const ParameterSet& parameters,
                 RetrievalOptions& options) {
  options.image_folder = settings.data.images;
  options.scores = run_scores(run);
  options.scores_there = ScoreFile::There::keep_or_replace;
  options.identity = {{"weights", weights_hash(parameters)}};
}

}  // namespace tessera

// Runs of eight steps for tests of vilt/tasks/trainer.h, and what they leave behind.
#pragma once

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "data/text/vocabulary.h"
#include "io/files.h"
#include "io/safetensors.h"
#include "tests/error_text.h"
#include "tests/vilt/tiny_model.h"
#include "train/checkpoint.h"
#include "vilt/files/load_model.h"
#include "vilt/tasks/evaluation.h"
#include "vilt/tasks/trainer.h"

namespace tessera::short_run {

namespace fs = std::filesystem;
using nlohmann::json;
using tests::error_of;
using tests::lacking;
using tests::TemporaryDirectory;
using tests::tiny_settings;

// Eight steps, a row of metrics after every third, a checkpoint after every second.
inline Settings settings_in(const fs::path& out) {
  Settings settings = tiny_settings();
  settings.model.hidden_dropout_prob = 0.1;
  settings.data.workers = 2;
  settings.data.prefetch = 3;
  settings.train.out = out;
  settings.train.log_every = 3;
  settings.train.evaluate_every = 4;
  settings.train.checkpoint_every = 2;
  return settings;
}

inline std::string train_log(const Settings& settings, bool fresh = false) {
  std::ostringstream log;
  TrainOptions options;
  options.log = &log;
  options.fresh = fresh;
  train(settings, options);
  return log.str();
}

inline std::string train_error(const Settings& settings, bool fresh = false) {
  return error_of([&] { train_log(settings, fresh); });
}

// A log that ends the program's run, as a kill would, when a line with `word` is written.
class Interruption : public std::stringbuf {
 public:
  explicit Interruption(std::string word) : word_(std::move(word)) {}
  int sync() override {
    if (str().find(word_) != std::string::npos) throw Error("interrupted");
    return std::stringbuf::sync();
  }

 private:
  std::string word_;
};

inline void train_until(const Settings& settings, const std::string& word) {
  Interruption buffer(word);
  std::ostream log(&buffer);
  log.exceptions(std::ios::badbit);
  TrainOptions options;
  options.log = &log;
  CHECK(error_of([&] { train(settings, options); }) == "interrupted");
}

inline std::string contents(const fs::path& path) {
  const auto bytes = read_file(path);
  return {bytes.begin(), bytes.end()};
}

// The rows without what depends on the clock.
inline std::vector<json> rows(const fs::path& run) {
  std::vector<json> out;
  std::istringstream in(contents(run / "metrics.jsonl"));
  for (std::string line; std::getline(in, line);) {
    json row = json::parse(line);
    for (const char* key : {"seconds", "samples_per_second", "data_wait_share"}) row.erase(key);
    out.push_back(row);
  }
  return out;
}

inline json summary_without_time(const fs::path& run) {
  json summary = json::parse(contents(run / "summary.json"));
  summary.erase("train_seconds");
  return summary;
}

inline bool same_bits(const fs::path& a, const fs::path& b) {
  bool same = true;
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    const SafeTensors x = load_safetensors((a / file).string()), y = load_safetensors((b / file).string());
    same = same && x.tensors.size() == y.tensors.size();
    for (const auto& [name, tensor] : x.tensors)
      if (tensor.dtype() == DType::f32)
        same = same && tensor.to_vector<float>() == y.tensors.at(name).to_vector<float>();
  }
  return same;
}

// One finished run for the tests that only look.
struct FinishedRun {
  TemporaryDirectory directory;
  Settings settings = settings_in(directory.path() / "run");
  std::string log = train_log(settings);
  fs::path run() const { return settings.train.out; }
};
inline const FinishedRun& finished_run() {
  static const FinishedRun run;
  return run;
}

inline void copy_run(const fs::path& to) { fs::copy(finished_run().run(), to, fs::copy_options::recursive); }

}  // namespace tessera::short_run

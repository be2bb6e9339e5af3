// The parts of the command `vilt`. Each command's options are a struct, filled by main.cpp from the command line, and a
// function that returns the exit status. Errors are thrown: tessera::Error for bad input.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::command {

struct ScenesArguments {
  std::string kind, out;
  uint64_t seed = 0;
  int64_t train = -1, val = -1, test = -1, test_unseen = -1;  // -1: the kind's own number
  bool force = false;
};
int run_scenes(const ScenesArguments& arguments);

struct VocabularyArguments {
  std::string captions, split = "train", out, kind;
  int64_t size = 0;  // 0: what `kind` recommends
  bool once = false;
};
int run_vocabulary(const VocabularyArguments& arguments);

struct TrainArguments {
  std::string config;
  std::vector<std::string> overrides;  // section.key=value
  bool fresh = false;
};
int run_train(const TrainArguments& arguments);

}  // namespace tessera::command

// The test samples of the run that is served, for trying out.
#pragma once

#include <filesystem>
#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace tessera::serve {

struct Example {
  std::vector<std::string> pictures;  // names, below
  std::string text;                   // question, caption or statement
  std::string answer;                 // what is right of it; empty: nothing is known
};

struct Examples {
  std::vector<Example> samples;                           // no two of the same pictures
  std::map<std::string, std::filesystem::path> pictures;  // by names that are told outside
};

// Of `model`, if that is a run or a checkpoint in one whose data are there; at most so many. Why there are none is told
// to `log` where it might be expected otherwise.
Examples test_examples(const std::filesystem::path& model, size_t most, std::ostream& log);

}  // namespace tessera::serve

// Whether every sample of a data set can be used: each is read and its picture decoded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/inspection/units.h"

namespace tessera {

struct BadSample {
  std::string name, reason, detail;
};

struct Verification {
  int64_t samples = 0, good = 0, captions = 0;  // captions: of the good ones
  std::map<std::string, int64_t> reasons;       // how many samples, members and shards each is told of
  int64_t units = 0, found = 0;                 // found: verified before, from the folder
  std::vector<BadSample> first_bad;             // some of them
  bool all_good() const { return reasons.empty(); }
};

struct VerifyOptions {
  int threads = 1;
  // Where the result of each unit is written as it ends, so that a run that was killed goes on after it, and in the end
  // all that is bad: bad.jsonl, one {"name", "reason", "detail"} a line. No path: nothing is written.
  std::filesystem::path folder;
};

Verification verify(const std::vector<InspectionUnit>& units, const VerifyOptions& options,
                    const ProgressCallback& progress = {});

}  // namespace tessera

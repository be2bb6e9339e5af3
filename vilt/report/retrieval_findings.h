// What the scores of all pairs say beyond recalls, gathered in one pass over them: ranks, wrong first picks, and
// examples of what was found first. Equal scores count as wrong, here too: a wrong candidate stands before a right one.
#pragma once

#include <cstdint>
#include <vector>

#include "vilt/tasks/retrieval_evaluation.h"

namespace tessera {

// Of one direction. Queries and candidates are pictures and texts, as RankedPairs counts them.
struct RetrievalFindings {
  struct Found {
    int64_t candidate = 0, rank = 0;  // from 1 on
    double score = 0, share = 0;      // the scores' softmax over all candidates
    bool right = false;
  };
  struct Example {
    int64_t query = 0, rank = 0;  // of the best right candidate
    std::vector<Found> found;     // the first ones, and the best right one if it is not among them
  };
  std::vector<int64_t> rank_of;       // of each query; 0: it has no right candidate
  std::vector<int64_t> wrong_pick;    // of each query what stands first where that is wrong; -1: it is right
  std::vector<Example> wrong, right;  // queries spread evenly over those whose first pick is wrong, and right
  int64_t queries = 0, candidates = 0, wrong_picks = 0;
};

struct BothFindings {
  RetrievalFindings texts, pictures;  // that were looked for, with a picture and with a text
};

// `examples` of each kind and direction, each with its first `first` candidates.
BothFindings retrieval_findings(const RankedPairs& ranked, int64_t examples, int64_t first);

}  // namespace tessera

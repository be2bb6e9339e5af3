// Answer tables of small data.
#pragma once

#include <algorithm>

#include "data/tasks/answer_table.h"

namespace tessera::golden {

// Where no answer is frequent enough, which AnswerCounts::table refuses, an empty table.
inline AnswerTable table_or_none(const AnswerCounts& counts, int64_t least) {
  const bool any = std::any_of(counts.entries().begin(), counts.entries().end(),
                               [least](const AnswerCounts::Entry& entry) { return entry.count >= least; });
  return any ? counts.table(least) : AnswerTable();
}

}  // namespace tessera::golden

// metrics.jsonl as a table for spreadsheets and data frames: CSV as RFC 4180 has it.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>

namespace tessera {

// A row for each step that was logged, in the order of the steps; the columns are "step", the figures of training by
// their names and those of evaluations as "evaluation/NAME", in the order in which they were first logged. What lies in
// one another has the names one after another, "evaluation/itm_accuracy_hard_by_kind/colour", and the entries of a list
// their numbers, from 1: "evaluation/pointing_attention_by_layer/1". A figure that was not logged at a step, or is null
// (NaN is), is an empty cell; texts and truth values, of which the trainer writes none, have no column. Of a step that
// was logged twice, as by a resumed run, the later row counts. Several runs: first a column "run", by the folders'
// paths as they are given.
//
// `remark` is told of each file how many lines of it are no rows and left out.
std::string metrics_csv(std::span<const std::filesystem::path> runs,
                        const std::function<void(const std::string& remark)>& remark = {});

}  // namespace tessera

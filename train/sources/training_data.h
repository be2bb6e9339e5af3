// The captions files and splits that the settings name, opened.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "data/sets/dataset.h"
#include "train/settings/common_settings.h"
#include "train/sources/training_shards.h"

namespace tessera {

// What a training draws from, and what it is measured on while it goes on. Both may stand in one file, which is then
// read once; with data.sets all is joined, training in the order of the sets. Says in what layout the files are and
// what was left out.
struct TrainingData {
  Dataset train;       // missing pictures among the others: a step takes others for them
  ShardSets shards;    // what is trained on in place of `train`, where the settings name tar shards
  Dataset validation;  // without those whose pictures are missing, as all below
  Dataset unseen;      // empty where data.unseen_split is
};
// Opens what only the end of the run reads, too: a mistake there should not cost a training.
TrainingData open_training_data(const DataSettings& data, std::ostream& log);

// The test split: of data.test_captions; else, where validation has a file of its own, of that, and where that has no
// such split its validation pictures; else of data.captions or of those of data.sets that have it.
Dataset open_test_data(const DataSettings& data);
// data.unseen_split, of data.test_captions or data.captions.
Dataset open_unseen_data(const DataSettings& data);

// Of settings that lie in the folder of a run, which somebody else may have made: an error where captions are a
// command.
void refuse_commands(const DataSettings& data, const std::string& where);

// A line for the layout, the notes and the first lines that were left out; shared with the commands that read captions.
void tell_remarks(const Dataset& dataset, const std::string& captions, std::ostream& out);
// A line for each picture without a file, but those of the split `except`.
void tell_missing(const Dataset& dataset, std::ostream& out, const std::string& except = "");

}  // namespace tessera

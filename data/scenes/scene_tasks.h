// Downstream tasks on the pictures of the built-in data set, as files in the published layouts: questions with the
// answers of ten people in VQAv2's, statements about pairs of pictures in NLVR2's.
//
//   tasks/v2_OpenEnded_scenes_SPLIT_questions.json, tasks/v2_scenes_SPLIT_annotations.json
//   tasks/nlvr2/SPLIT.json; the pictures of a pair are links to the set's, in tasks/nlvr2/SPLIT/
//
// Nothing can be answered, and no statement judged, from the text alone better than by the most frequent answer: yes
// and no are equally frequent for each question, and each statement stands with two pairs of which it is true and two
// of which it is not. A picture's combinations of colour and shape that training never shows are those of the data
// set's split test_unseen.
#pragma once

#include <cstdint>
#include <filesystem>

namespace tessera {

// For a directory that write_scenes has made; a function of its files and the seed. Written anew each time.
void write_scene_tasks(const std::filesystem::path& directory, uint64_t seed);

}  // namespace tessera

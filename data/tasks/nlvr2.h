// NLVR2 (Suhr and others, ACL 2019) as it is published: lines of JSON, a statement about two pictures each, and the
// pictures.
//
//   {"identifier": "train-4768-0-2", "sentence": "The left image …", "label": "False", "directory": 49}
//
// An identifier is split-set-pair-sentence; "directory" is there in the training split alone. The pictures of a pair
// are images/train/49/train-4768-0-img0.png and …-img1.png there, and dev/dev-4768-0-img0.png, test1/… elsewhere; also
// found are those folders within images/ or without, and pictures that lie together; or all as .jpg. Files of subsets
// (balanced_dev.json) have the same form. Other fields are ignored. Files may be of any size, a line is in memory at a
// time. They are untrusted.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/tasks/left_out.h"

namespace tessera {

struct Nlvr2Example {
  std::string identifier;
  std::string sentence;
  std::array<std::string, 2> images;  // paths, left and right
  bool label = false;                 // whether the sentence is true of the pictures
};

struct Nlvr2Options {
  bool check_files = true;   // that the pictures exist
  int64_t max_left_out = 0;  // so many lines may be damaged, repeated or without their pictures
};

struct Nlvr2Data {
  std::vector<Nlvr2Example> examples;  // in the order of the file
  LeftOut left_out;
};

Nlvr2Data read_nlvr2(const std::filesystem::path& file, const std::filesystem::path& images,
                     const Nlvr2Options& options = {});
// The same from the file's contents; its path is for messages.
Nlvr2Data parse_nlvr2(std::string_view lines, const std::filesystem::path& file, const std::filesystem::path& images,
                      const Nlvr2Options& options = {});

// The parts of "train-4768-0-2". An error unless there are four words of letters, digits and underscores.
std::array<std::string_view, 4> nlvr2_identifier_parts(std::string_view identifier);

}  // namespace tessera

// Questions of one's own about pictures: a list with one answer each, in any of three forms.
//
//   image,question,answer,split                                          a table with a header
//   street/1.jpg,How many cars are there?,3,train
//
//   {"image": "street/1.jpg", "question": "How many cars are there?", "answer": "3", "split": "train"}    on a line
//   each
//   [{"image": …}, …]                                                    or in an array
//
// "text" may stand for "question", and the picture's column have any of the usual names (file_name, image_id, …). Names
// are below the picture folder, and may lack their extension: 12 finds 12.png. Other columns are ignored.
//
// Answers are normalised as those of VQAv2 (data/tasks/normalise_answer.h), unless nothing would be left of them ("A"),
// and count as given by ten people: the soft target is 1. Without a split, a list whose file's name tells one is of
// that split; else of the split that the reader is told; else a twentieth of the pictures each is held out for
// validation and test (data/sets/splits.h).
//
// Files may be of any size; a row is in memory at a time, and of each question what VqaQuestion holds. They are
// untrusted: damaged rows are left out by name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/tasks/left_out.h"
#include "data/tasks/vqa.h"

namespace tessera {

struct VqaListOptions {
  bool check_files = true;           // that the pictures exist
  int64_t max_left_out = 0;          // so many rows may be damaged or without their picture
  std::string remaining_split = {};  // of questions of which nothing tells theirs; empty: some of them are held out
};

struct VqaList {
  // By split ("train", "val", "test"), in the order of the file; ids are the rows, counted from 0 on.
  std::map<std::string, std::vector<VqaQuestion>> splits;
  LeftOut left_out;
};

VqaList read_vqa_list(const std::filesystem::path& file, const std::filesystem::path& images,
                      const VqaListOptions& options = {});
// The same from the file's contents; its path is for messages, and its name may tell the split.
VqaList parse_vqa_list(std::string_view contents, const std::filesystem::path& file,
                       const std::filesystem::path& images, const VqaListOptions& options = {});

}  // namespace tessera

// VQAv2 as it is published (https://visualqa.org/download.html): a file of questions, one of annotations with ten
// answers each, and COCO's pictures.
//
//   {"data_subtype": "train2014", "questions": [{"question_id": 42000, "image_id": 42, "question": "…?"}]}
//   {"annotations": [{"question_id": 42000, "image_id": 42, "answer_type": "yes/no", "question_type": "is the",
//                     "multiple_choice_answer": "yes", "answers": [{"answer": "yes", "answer_confidence": "maybe",
//                     "answer_id": 1}]}]}
//
// Other fields are ignored; the types may be missing, and so may the multiple-choice answer: it is then the most
// frequent one, of equally frequent ones the first. Files may be of any size, one record is in memory at a time, and of
// each question what VqaQuestion holds (reading as many as training has, 443,757, takes 310 MB). They are untrusted:
// every error names the file, the question and the field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "data/tasks/vqa.h"

namespace tessera {

struct VqaFiles {
  std::filesystem::path questions;
  std::filesystem::path annotations;  // empty: none, as of test splits
  std::filesystem::path images;  // the folder that holds train2014/, val2014/, test2015/, or the pictures themselves
};

struct VqaOptions {
  bool check_files = true;  // that the pictures exist
  int64_t max_missing = 0;  // so many of them need not: their questions are left out
};

struct VqaData {
  // In the order of the annotations, which decides the labels of an answer table; without any, in their own.
  std::vector<VqaQuestion> questions;
  int64_t missing_images = 0;
};

// Every question has one annotation, every annotation a question of the same picture, no id comes twice: anything else
// is an error.
VqaData read_vqa(const VqaFiles& files, const VqaOptions& options = {});
// The same from the files' contents; `files` is for messages and the pictures' paths.
VqaData parse_vqa(std::string_view questions, std::string_view annotations, const VqaFiles& files,
                  const VqaOptions& options = {});

}  // namespace tessera

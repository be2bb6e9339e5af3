// Questions about pictures, each with what people answered: the form that every layout of such data becomes, and that
// training and evaluation work on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera {

struct VqaQuestion {
  int64_t id = 0;
  std::string image;     // path of the picture
  std::string question;  // as in the file
  // As in the file, in its order; ten in VQAv2. Empty where they are not public (test splits).
  std::vector<std::string> answers;
  // What else is said of each answer (its id, the confidence) as a number: equal ones are the same in all of it. Empty:
  // no two are, as in the published files. Only the official accuracy asks for it.
  std::vector<int32_t> records;
  std::string table_answer;   // what the question adds to an answer table: its majority answer, normalised
  std::string answer_type;    // "yes/no", "number", "other"; empty where nothing says it
  std::string question_type;  // "how many", "what color is the", …; likewise
};

}  // namespace tessera

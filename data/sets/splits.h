// To which split a picture belongs. Its record says so; else the name of the captions file does, as that of
// captions_train2014.json; else, where nothing does, a twentieth of the pictures is held out for validation and another
// for the test, by their names. No setting and no seed has a part in it, so that training, evaluation and vocabulary
// agree.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace tessera {

// One of train, restval, val, test, or a name that begins with val_ or test_.
bool is_split(std::string_view split);

// "val" for validation, valid, dev and val, also in capitals; "train" for training; what is no such word stays.
std::string_view split_of_word(std::string_view word);

// The split that a word in a file's name tells: Train_GCC-training.tsv → train. Empty where none does, or two disagree.
std::string_view split_of_file_name(std::string_view name);

// A hash of a picture's name, by which it is held out or not.
uint64_t split_key(std::string_view name);

// The split of each of these pictures, by its key: of n a twentieth, rounded, at least one, is "val", as many are
// "test". A picture's place does not depend on the order of the file, and little on the pictures beside it. Of fewer
// than three nothing is held out.
std::vector<std::string_view> held_out_splits(const std::vector<uint64_t>& keys);

}  // namespace tessera

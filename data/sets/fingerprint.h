// By what a data set is known again.
#pragma once

#include <map>
#include <string>

#include "data/sets/dataset.h"

namespace tessera {

// "captions" and "images", their numbers; "caption texts" and "image files", hashes (64 bits, hexadecimal) of the
// texts, and of the files' names and sizes in bytes, both in order. Names count from the image folder on, so that the
// folder may be moved. Pictures are not read.
std::map<std::string, std::string> fingerprint(const Dataset& dataset, const std::string& image_folder);

}  // namespace tessera

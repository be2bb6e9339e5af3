// Caption files of well-known layouts that Dataset does not read, so that a message can say what a file is. Internal to
// data/sets/.
#pragma once

#include <string>

#include "data/sets/layouts.h"

namespace tessera {

// What the file is, in words that follow "this is". No text where it is none of those.
std::string other_layout(const FileBeginning& beginning);

}  // namespace tessera

// Caption files of well-known layouts that Dataset does not read, so that a message can say what a file is. Internal to
// data/sets/.
#pragma once

#include <string>
#include <string_view>

namespace tessera {

// What the file is, in words that follow "this is", from the text at its beginning (its first record is enough):
// "COCO's own annotations …". No text where it is none of those, as the layouts that are read are.
std::string other_layout(std::string_view head);

}  // namespace tessera

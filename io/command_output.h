// What a command of the user's own prints, as a stream.
#pragma once

#include <string>

#include "io/files.h"

namespace tessera {

// Runs `command` by /bin/sh and gives what it writes to standard output; its standard error is ours. A command that
// ends with another status than 0 is an error when its output has been read to the end; one whose output is not wanted
// any more finds its pipe closed. For commands from the user's own command line or settings only, never from a file
// that somebody else wrote.
TextPieces command_output(const std::string& command);

}  // namespace tessera

// Where shards are: files, many of them by one pattern, and commands that print them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/files.h"

namespace tessera {

inline constexpr std::string_view kPipe = "pipe:";

// The shards that one pattern of a command line or of settings names:
//
//   shards/train-0001.tar            a file, also .tar.gz and .tar.zst; one of just that name comes first
//   shards/train-{0000..0999}.tar    numbers, as wide as they are written; {a,b} each of a list; several of both
//   shards/*.tar                     those that are there, by name (* ? [...]); none is an error
//   pipe:curl -s URL/{0000..0999}.tar    a command that prints the archive; only numbers are put in here
//
// In this order, at most a million. A command is run when its shard is opened (io/command_output.h), so patterns have
// to come from the user.
std::vector<std::string> expand_shards(const std::string& pattern);
std::vector<std::string> expand_shards(const std::vector<std::string>& patterns);

// The archive's bytes, unpacked (io/unpacking.h).
TextPieces open_shard(const std::string& shard);

}  // namespace tessera

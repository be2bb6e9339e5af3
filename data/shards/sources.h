// Where shards are: files, many of them by one pattern, and commands that print them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/files.h"

namespace tessera {

inline constexpr std::string_view kPipe = "pipe:";
inline constexpr const char* kShardsKind = "shards";  // the setting data.kind

// Whether what a setting or an option calls captions are tar shards. By its form: a pipe, a pattern, or a name that
// ends as archives do; or because a folder has such files in it, or a file begins as an archive, packed or not.
bool are_shards(const std::string& captions, std::string_view kind = "auto");

// The shards that one pattern of a command line or of settings names:
//
//   shards/train-0001.tar            a file, also .tar.gz and .tar.zst; one of just that name comes first
//   shards/train-{0000..0999}.tar    numbers, as wide as they are written; {a,b} each of a list; several of both
//   shards                           a folder: the .tar, .tar.gz, .tgz, .tar.zst and .tzst in it, by name
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

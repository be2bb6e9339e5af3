// The files of page/, which the build puts into the program.
#pragma once

#include <span>
#include <string_view>

namespace tessera::serve {

struct PageFile {
  std::string_view name, contents;
};
std::span<const PageFile> page_files();

}  // namespace tessera::serve

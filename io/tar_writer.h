// Members of a tar archive (ustar), byte for byte the same for the same contents: no times, no owners.
#pragma once

#include <string>
#include <string_view>

namespace tessera {

// What the archive holds of an ordinary file: its header, its data, zeros up to whole blocks of 512 bytes. Throws for a
// name of no or more than 100 bytes or with a NUL, and for data of 8 GiB or more: ustar has no place for them.
std::string tar_member(std::string_view name, std::string_view data);

// What ends an archive: two blocks of zeros.
std::string tar_end();

}  // namespace tessera

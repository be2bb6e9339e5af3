// Packing, the other way of io/unpacking.h.
#pragma once

#include <string>
#include <string_view>

namespace tessera {

// A gzip stream (RFC 1952) at zlib's best level, without name and time: the same bytes are packed to the same.
std::string packed_by_gzip(std::string_view bytes);

}  // namespace tessera

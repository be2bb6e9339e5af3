// Streams that may be packed, by their first bytes: gzip (RFC 1952) and Zstandard (RFC 8878).
#pragma once

#include <string>
#include <string_view>

#include "io/files.h"

namespace tessera {

// Whether a stream that begins so is packed; four bytes are enough to tell.
bool is_packed(std::string_view beginning);

// The bytes that are packed in `packed`, or those themselves where they are not. Several packed streams one after the
// other are one. A piece has at most 256 KiB, however much was packed in how few bytes, and the memory is bounded: a
// Zstandard stream that needs a window of more than 128 MiB is refused. Errors ("truncated gzip stream", a checksum
// that is wrong, …) begin with `where`; what was unpacked before has been given then.
TextPieces unpacked(TextPieces packed, const std::string& where);

}  // namespace tessera

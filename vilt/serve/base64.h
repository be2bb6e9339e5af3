// Bytes within JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tessera::serve {

// RFC 4648, with or without the padding; nothing for other characters (blanks among them), a length that cannot be, and
// bits that belong to no byte. What a browser writes before it ("data:image/png;base64,") is passed over.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace tessera::serve

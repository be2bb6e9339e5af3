// Character references of HTML (&amp; &#39; &#x41;).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tessera {

// As Python's html.unescape, which follows the standard's rules for text: the longest name that is one where there is
// no semicolon; numbers that are no character become U+FFFD or vanish; those of Windows-1252 become its characters.
std::u32string unescape_html(std::u32string_view text);

// What the name stands for ("amp", without & and ;), where it is one that a semicolon ends.
std::optional<std::u32string> html_reference(std::string_view name);

}  // namespace tessera

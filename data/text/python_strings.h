// Python's methods of strings, for rules that the published programs define by them: what counts as a digit or as white
// space, and how a text is lower-cased, decides which answers are equal. Internal to data/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tessera::python {

std::u32string decoded(std::string_view utf8);
std::string encoded(std::u32string_view text);

bool is_decimal(char32_t c);  // \d: a decimal digit of any script
bool is_space(char32_t c);    // str.isspace: also U+001C to U+001F, U+0085 and U+00A0

std::u32string_view strip(std::u32string_view text);
// str.split() without a separator.
std::vector<std::u32string_view> split(std::u32string_view text);
// str.lower(): with what depends on the context, a final sigma, and the one letter that becomes two (U+0130).
std::u32string lower(std::u32string_view text);

}  // namespace tessera::python

// The clean-up that CLIP's texts went through: ftfy.fix_text 6.3.1 with its defaults
// (R. Speer, https://ftfy.readthedocs.io, Apache-2.0), line by line, until nothing changes any more:
//
//   1. character references of HTML that end in a semicolon become characters, also names in capitals (&EACUTE;);
//      from the first line on that has a '<' none do, since that is HTML itself
//   2. mojibake is undone (data/text/mojibake.h); control characters U+0080 to U+009F become Windows-1252's
//   3. ligatures of Latin letters and digraphs become letters; half and full width forms become usual ones
//   4. curly quotes become straight, every line break a line feed
//   5. escape sequences of terminals and control characters vanish
//   6. NFC
//
// All of it is here but two things: surrogates, which UTF-8 cannot hold, and the explanation of what was done. A line
// of more than a million characters is cut there; after 64 rounds a line is taken as it is, where ftfy would go on.
// Characters are those of Unicode 15 (utf8proc).
#pragma once

#include <string>

namespace tessera {

std::u32string fix_text(std::u32string text);

}  // namespace tessera

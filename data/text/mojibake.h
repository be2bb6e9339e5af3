// Texts in UTF-8 that were read in another encoding ("schÃ¶n", "donâ€™t"), found and put right.
//
// The rules are those of ftfy 6.3.1 (R. Speer, https://ftfy.readthedocs.io, Apache-2.0), whose original texts CLIP was
// trained on: which sequences of characters are suspicious (mojibake_rules.inc), which encodings are tried in which
// order, what is done about spaces and characters that were lost on the way.
#pragma once

#include <string>
#include <string_view>

namespace tessera {

// Whether a text has a sequence of characters that hardly anybody writes on purpose. ASCII never has.
bool looks_like_mojibake(std::u32string_view text);

// While the text looks so: it is written in each encoding that has all of its characters (code_pages.h) and read again
// as UTF-8; the first that can be read is the text. Where none can, parts that look like UTF-8 are read so alone, and
// control characters U+0080 to U+009F are taken for Windows-1252's. At most `kMostPasses` times.
std::u32string undo_mojibake(std::u32string text);

// U+0080 to U+009F as Windows-1252 has them.
std::u32string replace_c1_controls(std::u32string text);

inline constexpr int kMostPasses = 64;

}  // namespace tessera

// How answers to questions about pictures are made comparable: as in the official evaluation of VQA (Antol, Agrawal and
// others), whose rules ViLT's preparation has taken over without the first step.
#pragma once

#include <string>
#include <string_view>

namespace tessera {

// ViLT's preparation:
//  1. Each punctuation mark is looked up in the text as it was: where the mark stands beside a blank anywhere, or a
//     digit, a comma and a digit follow one another anywhere, all of its occurrences vanish; else they become blanks.
//  2. A period vanishes unless a digit follows, but only the first 32 of those (the published program gives a flag as a
//     count).
//  3. Lower case, split at white space; number words (none and zero to ten) become digits, articles are left out, and
//     contractions get their apostrophes. Words are joined by a blank.
// "A dog." → "dog", "1,000" → "1000", "dont know" → "don't know". The result of a result may be another one.
std::string normalise_answer(std::string_view answer);

// The official evaluation's first step: line feeds and tabs as blanks, no white space around.
std::string clean_answer(std::string_view answer);

// The official evaluation's own normalisation.
inline std::string normalise_official_answer(std::string_view answer) { return normalise_answer(clean_answer(answer)); }

}  // namespace tessera

#include "data/text/basic_tokenizer.h"

#include <algorithm>
#include <array>
#include <limits>

#include "data/text/unicode.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using unicode::CharacterClass;

// The one character that becomes two in lower case, without context: i and a dot. Decomposed it is two already.
constexpr char32_t kDottedI = 0x130, kDotAbove = 0x307;

struct Unit {
  char32_t c;
  uint32_t begin, end;
};

// Steps 1 and 2, and the decomposition of step 3.
std::vector<Unit> clean_and_decompose(std::string_view text, size_t origin, const Normalisation& normalisation) {
  std::vector<Unit> units;
  units.reserve(text.size() + 2);
  std::array<char32_t, 4> parts;
  for (size_t position = 0; position < text.size();) {
    const auto begin = static_cast<uint32_t>(origin + position);
    const char32_t c = unicode::next_code_point(text, position);
    const auto end = static_cast<uint32_t>(origin + position);
    const CharacterClass kind = unicode::character_class(c);
    if (kind == CharacterClass::drop) continue;
    const bool isolated = normalisation.isolate_ideographs && unicode::is_ideograph(c);
    if (isolated) units.push_back({' ', begin, begin});
    if (kind == CharacterClass::space) {
      units.push_back({' ', begin, end});
    } else if (!normalisation.strip_accents) {
      units.push_back({c, begin, end});
    } else {
      const size_t count = unicode::decompose(c, parts);
      for (size_t i = 0; i < count; ++i) units.push_back({parts[i], begin, end});
    }
    if (isolated) units.push_back({' ', end, end});
  }
  return units;
}

// Canonical ordering: every run of combining characters is sorted by combining class, equal ones stay in order.
void reorder_marks(std::vector<Unit>& units) {
  const auto combining = [](const Unit& unit) { return unicode::combining_class(unit.c) != 0; };
  for (auto run = units.begin();;) {
    run = std::find_if(run, units.end(), combining);
    if (run == units.end()) return;
    const auto end = std::find_if_not(run, units.end(), combining);
    std::stable_sort(run, end, [](const Unit& a, const Unit& b) {
      return unicode::combining_class(a.c) < unicode::combining_class(b.c);
    });
    run = end;
  }
}

void append(BasicWord& word, const Unit& unit) {
  word.characters.push_back({static_cast<uint32_t>(word.text.size()), unit.begin, unit.end});
  unicode::append_utf8(word.text, unit.c);
}

}  // namespace

std::vector<BasicWord> basic_words(std::string_view text, size_t origin, const Normalisation& normalisation) {
  check(text.size() < std::numeric_limits<uint32_t>::max() - origin, "tokenizer: the text has ", text.size(),
        " bytes, expected less than 4 GiB");
  std::vector<Unit> units = clean_and_decompose(text, origin, normalisation);
  if (normalisation.strip_accents) reorder_marks(units);
  std::vector<BasicWord> words;
  bool inside = false;
  for (Unit& unit : units) {
    if (normalisation.strip_accents && unicode::character_class(unit.c) == CharacterClass::mark) continue;
    const bool dotted = unit.c == kDottedI;
    if (normalisation.lower_case) unit.c = unicode::lower_case(unit.c);
    const CharacterClass kind = unicode::character_class(unit.c);
    if (kind == CharacterClass::space) {
      inside = false;
      continue;
    }
    const bool alone = kind == CharacterClass::punctuation;
    if (!inside || alone) words.emplace_back();
    append(words.back(), unit);
    if (dotted && normalisation.lower_case) append(words.back(), {kDotAbove, unit.begin, unit.end});
    inside = !alone;
  }
  return words;
}

}  // namespace tessera

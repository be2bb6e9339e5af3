// Writes data/text/unicode_exceptions.inc: where utf8proc's tables and the tokenizer that published BERT vocabularies
// are used with disagree. Not part of a build; run it again when Debian's utf8proc changes its Unicode version:
//
//   ninja -C build unicode_exceptions
//   build/data/unicode_exceptions CODEPOINTS.json CODEPOINT_MAPS.json > data/text/unicode_exceptions.inc
//
// CODEPOINTS.json has rows [first, last, class] with what that tokenizer makes of each code point between two letters
// (drop, space, punct, cjk; what is not listed is kept), CODEPOINT_MAPS.json rows [code point, normalised form]; copies
// are in tests/golden/data/wordpiece.
#include <utf8proc.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/text/unicode.h"
#include "tensor/error.h"

namespace {

using namespace tessera;
using unicode::CharacterClass;

constexpr char32_t kEnd = 0x110000;

char32_t code_point(const nlohmann::json& hexadecimal) {
  return static_cast<char32_t>(std::stoul(hexadecimal.get<std::string>(), nullptr, 16));
}

nlohmann::json rows_of(const char* path) {
  std::ifstream in(path);
  check(in.good(), path, ": cannot be opened");
  return nlohmann::json::parse(in).at("rows");
}

struct Form {
  const char* kind;  // as in CODEPOINTS.json
  std::string text;  // normalised
};

// What cleaning, decomposition, accent stripping and lower-casing by utf8proc alone make of one character.
Form form_by_utf8proc(char32_t c) {
  const CharacterClass own = unicode::category_class(c);
  if (own == CharacterClass::drop) return {"drop", ""};
  if (own == CharacterClass::space) return {"space", ""};
  utf8proc_int32_t parts[8];
  int boundary = UTF8PROC_BOUNDCLASS_START;
  const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 8, UTF8PROC_DECOMPOSE, &boundary);
  check(count >= 1 && count <= 4, "decomposition of U+", std::hex, unsigned{c}, " has ", count, " characters");
  Form form{"keep", ""};
  for (int i = 0; i < count; ++i) {
    const CharacterClass kind = unicode::category_class(static_cast<char32_t>(parts[i]));
    if (kind == CharacterClass::mark) continue;
    if (kind == CharacterClass::punctuation) form.kind = "punct";
    unicode::append_utf8(form.text, static_cast<char32_t>(utf8proc_tolower(parts[i])));
  }
  if (form.text.empty()) return {"drop", ""};
  if (unicode::is_ideograph(c)) form.kind = "cjk";
  return form;
}

std::string enumerator(const std::string& kind) {
  check(kind != "cjk", "the tables disagree about ideographs: change is_ideograph");
  return "CharacterClass::" + (kind == "punct" ? std::string("punctuation") : kind);
}

struct ClassRange {
  char32_t first, last;
  std::string kind;
};
struct MapRange {
  char32_t first, last, target;
};

}  // namespace

int main(int argc, char** argv) try {
  check(argc == 3, "usage: unicode_exceptions CODEPOINTS.json CODEPOINT_MAPS.json");
  std::map<char32_t, std::string> kinds, maps;
  for (const auto& row : rows_of(argv[1]))
    for (char32_t c = code_point(row[0]); c <= code_point(row[1]); ++c) kinds[c] = row[2];
  for (const auto& row : rows_of(argv[2])) maps[code_point(row[0])] = row[1];

  std::vector<ClassRange> classes;
  std::vector<MapRange> targets;
  for (char32_t c = 0; c < kEnd; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    const Form form = form_by_utf8proc(c);
    const std::string expected = kinds.count(c) ? kinds[c] : "keep";
    if (form.kind != expected) {
      if (!classes.empty() && classes.back().last + 1 == c && classes.back().kind == expected)
        classes.back().last = c;
      else
        classes.push_back({c, c, expected});
    }
    if (expected == "drop" || expected == "space" || (c >= 0xAC00 && c <= 0xD7A3)) continue;
    std::string text;
    if (maps.count(c))
      text = maps[c];
    else
      unicode::append_utf8(text, c);
    if (text == form.text || form.text.empty()) continue;
    size_t position = 0;
    const char32_t target = unicode::next_code_point(text, position);
    check(position == text.size(), "U+", std::hex, unsigned{c}, " needs an exception of several characters");
    if (!targets.empty() && targets.back().last + 1 == c &&
        targets.back().target + (c - targets.back().first) == target)
      targets.back().last = c;
    else
      targets.push_back({c, c, target});
  }

  std::printf("// Made by tools/unicode_exceptions.cpp with utf8proc %s (Unicode %s); do not edit.\n",
              utf8proc_version(), utf8proc_unicode_version());
  std::printf("constexpr ClassRange kClassExceptions[] = {\n");
  for (const auto& r : classes)
    std::printf("    {0x%X, 0x%X, %s},\n", unsigned{r.first}, unsigned{r.last}, enumerator(r.kind).c_str());
  std::printf("};\nconstexpr MapRange kMapExceptions[] = {\n");
  for (const auto& r : targets)
    std::printf("    {0x%X, 0x%X, 0x%X},\n", unsigned{r.first}, unsigned{r.last}, unsigned{r.target});
  std::printf("};\n");
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}

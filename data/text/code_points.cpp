#include "data/text/code_points.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "tensor/error.h"

namespace tessera::unicode {
namespace {

utf8proc_category_t category_of(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

std::u32string normalised(std::u32string_view text, int options) {
  const auto decomposed = [&](std::vector<utf8proc_int32_t>& out) {
    utf8proc_ssize_t count = 0;
    int boundary = UTF8PROC_BOUNDCLASS_START;
    for (const char32_t c : text) {
      const auto free = static_cast<utf8proc_ssize_t>(out.size()) - count;
      const auto added = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), out.data() + count, free,
                                                 static_cast<utf8proc_option_t>(options), &boundary);
      check(added >= 0 && added <= free, "text: a character cannot be decomposed");
      count += added;
    }
    out.resize(static_cast<size_t>(count));
  };
  constexpr size_t kLongestDecomposition = 18;  // of one character (U+FDFA)
  std::vector<utf8proc_int32_t> points(text.size() * (options & UTF8PROC_COMPAT ? kLongestDecomposition : 4) + 1);
  decomposed(points);
  // utf8proc sorts marks only in its function for UTF-8; runs of them are short, or the sort is stable and n log n.
  const auto order = [](utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; };
  for (size_t i = 0; i < points.size();) {
    size_t end = i;
    while (end < points.size() && order(points[end]) != 0) ++end;
    if (end > i + 1)
      std::stable_sort(points.begin() + static_cast<std::ptrdiff_t>(i),
                       points.begin() + static_cast<std::ptrdiff_t>(end),
                       [&](utf8proc_int32_t a, utf8proc_int32_t b) { return order(a) < order(b); });
    i = end + 1;
  }
  const utf8proc_ssize_t length = utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()),
                                                           static_cast<utf8proc_option_t>(options));
  check(length >= 0, "text: cannot be composed");
  return {points.begin(), points.begin() + length};
}

}  // namespace

bool is_letter(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  const utf8proc_category_t found = category_of(c);
  return found >= UTF8PROC_CATEGORY_LU && found <= UTF8PROC_CATEGORY_LO;
}

bool is_number(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const utf8proc_category_t found = category_of(c);
  return found >= UTF8PROC_CATEGORY_ND && found <= UTF8PROC_CATEGORY_NO;
}

bool is_white_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  if (c == 0x85) return true;
  const utf8proc_category_t found = category_of(c);
  return found >= UTF8PROC_CATEGORY_ZS && found <= UTF8PROC_CATEGORY_ZP;
}

std::u32string compose(std::u32string_view text) {
  // No character below U+0300 changes or joins another.
  if (std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x300; })) return std::u32string(text);
  return normalised(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
}

std::u32string compose_compatibly(char32_t c) {
  return normalised(std::u32string_view(&c, 1), UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
}

char32_t upper_case(char32_t c) { return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))); }

}  // namespace tessera::unicode

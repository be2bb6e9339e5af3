#include "data/text/fix_text.h"

#include <doctest/doctest.h>

#include "data/text/byte_pair_words.h"
#include "data/text/html_entities.h"
#include "data/text/lossy_utf8.h"
#include "data/text/mojibake.h"
#include "data/text/python_strings.h"
#include "data/text/unicode.h"

// Expected values are those of ftfy 6.3.1 and of Python 3.11's html.unescape and str.lower.
namespace tessera::fix_text_test {
namespace {

std::string fixed(std::string_view text) { return python::encoded(fix_text(python::decoded(text))); }
std::string unescaped(std::string_view text) { return python::encoded(unescape_html(python::decoded(text))); }
std::string lower(std::string_view text) { return python::encoded(python::lower(python::decoded(text))); }

}  // namespace

TEST_CASE("unescape_html: names with and without a semicolon, numbers that are no character") {
  CHECK(unescaped("&amp;&lt;&notin;&notit;&copy2;&AMP") == "&<∉¬it;©2;&");
  CHECK(unescaped("&#39;&#x41;&#X41;&#65") == "'AAA");
  CHECK(unescaped("&#0;&#xD800;&#x110000;&#99999999999999999999;") == "\uFFFD\uFFFD\uFFFD\uFFFD");
  CHECK(unescaped("&#128;&#13;") == "€\r");
  CHECK(unescaped("a&#1;b&#xFFFE;c") == "abc");
  CHECK(unescaped("& &; &# &#x; &#; &unknown; &") == "& &; &# &#x; &#; &unknown; &");
  CHECK(unescaped("&NotEqualTilde;") == "≂\u0338");
  CHECK(unescaped("&CounterClockwiseContourIntegral;") == "∳");  // the longest name
}

TEST_CASE("fix_text: mojibake of each kind") {
  CHECK(fixed("schÃ¶n") == "schön");
  CHECK(fixed("â€œquoteâ€\u009d") == "\"quote\"");
  CHECK(fixed("voilÃ  le travail") == "voilà le travail");
  CHECK(fixed("fÃ cil Ã la mode") == "fà cil à la mode");
  CHECK(fixed("Ã quele tempo bom") == "àquele tempo bom");
  CHECK(fixed("â€œ like this â€\uFFFD") == "\" like this \uFFFD");
  CHECK(fixed("caf├⌐ ΓÇÖ") == "café '");                  // cp437
  CHECK(fixed("Stra√üe ‚Äô‚Ä¶") == "Straße '…");          // MacRoman
  CHECK(fixed("РїСЂРёРІРµС‚") == "привет");               // Windows-1251
  CHECK(fixed("cafÃƒÂ©") == "café");                      // twice
  CHECK(fixed("北京 voilÃ© 北京") == "北京 voilé 北京");  // in a part of a text that no encoding has
  CHECK(fixed("a\u0085b") == "a…b");
  // What people write.
  for (const char* text : {"naïve café", "AÑO 2020", "Ångström", "привет", "é", "€5", "20°C", "¡Olé!", "Ø", "(╯°□°)╯"})
    CHECK(fixed(text) == text);
}

TEST_CASE("fix_text: character references, but in markup") {
  CHECK(fixed("P&EACUTE;REZ &SZLIG; &nTILDE; &FILIG;") == "PÉREZ SS &nTILDE; FI");
  CHECK(fixed("&#59; &#39; &amp") == "&#59; ' &amp");
  CHECK(fixed("&amp;lt;") == "<");
  CHECK(fixed("&lt;b> &amp; <i>") == "&lt;b> &amp; <i>");
  CHECK(fixed("&amp;\n<b>\n&amp;") == "&\n<b>\n&amp;");  // from that line on
}

TEST_CASE("fix_text: forms, quotes, line breaks, controls") {
  CHECK(fixed("ﬁ ﬃ Ǆ ŉ") == "fi ffi DŽ 'n");
  CHECK(fixed("ＡＢ１　ﾊﾞ") == "AB1 バ");
  CHECK(fixed("“a” ‘b’ ʼ") == "\"a\" 'b' '");
  CHECK(fixed("a\r\nb\rc\u2028d") == "a\nb\nc\nd");
  CHECK(fixed("\x1b[1;31mred\x1b[0m \x1b[ x") == "red [ x");
  CHECK(fixed(std::string("a\0b\x7f\xEF\xBB\xBF", 7)) == "ab");
  CHECK(fixed("e\u0301") == "é");
  CHECK(fixed("") == "");
}

TEST_CASE("fix_text: hostile texts end") {
  std::string nested = "&";
  for (int i = 0; i < 5000; ++i) nested += "amp;";
  CHECK(fixed(nested).size() < nested.size());
  std::string wrong = "é";
  for (int i = 0; i < 12; ++i) {  // twelve times over
    std::string again;
    for (const char byte : wrong) unicode::append_utf8(again, static_cast<uint8_t>(byte));
    wrong = again;
  }
  CHECK(fixed(wrong) == "é");
  CHECK(!fixed(std::string(50'000, '\xC3')).empty());
}

TEST_CASE("utf-8 variants: surrogates in pairs and Java's zero") {
  CHECK(decode_utf8_variants("\xED\xA0\xBD\xED\xB8\x80") == U"😀");
  CHECK(decode_utf8_variants("a\xC0\x80") == std::u32string(U"a\0", 2));
  CHECK(!decode_utf8_variants("\xED\xA0\xBD"));
  CHECK(!decode_utf8_variants("\xC3"));
  CHECK(decode_utf8_variants("\xEF\xBF\xBD") == U"\uFFFD");
}

TEST_CASE("lower case in context: final sigma, dotted I") {
  CHECK(lower("ΟΔΟΣ Σ ΑΣ. Σ'Α ΑΣ'Α") == "οδος σ ας. σ'α ασ'α");
  CHECK(lower("İẞK") == "i\u0307ßk");
  CHECK(lower("ΑΣ\u0301 Α\u0301Σ") == "ας\u0301 α\u0301ς");
}

TEST_CASE("cleaned text: blanks, order of the steps") {
  CHECK(cleaned_text(" A\t\tb\u00a0\u3000C \n", TextCleaning::original) == "a b c");
  CHECK(cleaned_text("a\u001cb", TextCleaning::original) == "ab");
  CHECK(cleaned_text("a\u001cb", TextCleaning::unfixed) == "a b");
  CHECK(cleaned_text("&amp;lt;", TextCleaning::unfixed) == "<");
  CHECK(cleaned_text("\xC3(", TextCleaning::unfixed) == "\uFFFD(");
}

}  // namespace tessera::fix_text_test

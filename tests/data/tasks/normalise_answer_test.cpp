#include "data/tasks/normalise_answer.h"

#include <doctest/doctest.h>

#include "data/text/python_strings.h"

namespace tessera::normalise_answer_test {
namespace {

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

std::string lower(std::string_view text) { return python::encoded(python::lower(python::decoded(text))); }

}  // namespace

TEST_CASE("Answers: articles, number words and contractions") {
  CHECK(normalise_answer("") == "");
  CHECK(normalise_answer("The Red dog") == "red dog");
  CHECK(normalise_answer("a an the") == "");
  CHECK(normalise_answer("none of Ten tens") == "0 of 10 tens");
  CHECK(normalise_answer("dont know, isnt") == "don't know isn't");
  CHECK(normalise_answer("Im") == "im");  // the published key has a capital
  CHECK(normalise_answer("somebody'd") == "somebodyd");
  CHECK(normalise_answer("yall'd've") == "y'all'd've");
}

TEST_CASE("Answers: a mark beside a blank anywhere vanishes everywhere, else it becomes a blank") {
  CHECK(normalise_answer("x-ray") == "x ray");
  CHECK(normalise_answer("x-ray - y") == "xray y");
  CHECK(normalise_answer("x-y z/w") == "x y z w");  // each mark by itself
  CHECK(normalise_answer("x-y -z/w") == "xy z w");
  CHECK(normalise_answer("what?") == "what");
  CHECK(normalise_answer("x&y's #1") == "x&y's #1");  // none of the marks
}

TEST_CASE("Answers: a comma between digits makes every mark vanish") {
  CHECK(normalise_answer("1,000") == "1000");
  CHECK(normalise_answer("1,000-x/y") == "1000xy");
  CHECK(normalise_answer("1, 2") == "1 2");
  CHECK(normalise_answer("1,b-c") == "1 b c");
  CHECK(normalise_answer("\u0661,\u0662-x") == "\u0661\u0662x");  // digits of any script
}

TEST_CASE("Answers: periods go unless a digit follows, the first 32 of them") {
  CHECK(normalise_answer("5.") == "5");
  CHECK(normalise_answer(".5") == ".5");
  CHECK(normalise_answer("u.s.a.") == "usa");
  CHECK(normalise_answer("1..2") == "1.2");
  CHECK(normalise_answer(repeated(".", 32) + "x") == "x");
  CHECK(normalise_answer(repeated(".", 33) + "x") == ".x");
  CHECK(normalise_answer(repeated("1.", 40)) == repeated("1.", 39) + "1");  // those that stay are not counted
}

TEST_CASE("Answers: cleaning comes first in the official evaluation, and changes what stands beside a blank") {
  CHECK(clean_answer("\tdog\n cat\r\n") == "dog  cat");
  CHECK(clean_answer("\u00a0dog\x1c") == "dog");
  CHECK(normalise_answer("x-y- ") == "xy");
  CHECK(normalise_official_answer("x-y- ") == "x y");
  CHECK(normalise_answer("x-y\n-z") == "x y z");
  CHECK(normalise_official_answer("x-y\n-z") == "xy z");
}

TEST_CASE("Answers: lower case and white space are Python's") {
  CHECK(lower("ΣΊΣΥΦΟΣ Σ ΟΣ. ΟΣ'Α") == "σίσυφος σ ος. οσ'α");
  CHECK(lower("ΑΣ\u0307\u0308 ΑΣ\u0307Β") == "ας\u0307\u0308 ασ\u0307β");  // marks between are passed over
  CHECK(lower("ⅣΣ ⒶΣ 1Σ") == "ⅳς ⓐς 1σ");
  CHECK(lower("İX") == "i\u0307x");
  CHECK(normalise_answer("dog\u0085cat\u2003the\x1cone") == "dog cat 1");
  CHECK(normalise_answer("dog\u200bcat") == "dog\u200bcat");
  CHECK(python::split(U"  ab \u3000c").size() == 2);
}

}  // namespace tessera::normalise_answer_test

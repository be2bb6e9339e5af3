#include "vilt/serve/request.h"

#include <doctest/doctest.h>

#include <array>

#include "report/html.h"
#include "tests/error_text.h"
#include "vilt/serve/base64.h"

namespace tessera::serve_request_test {
namespace {

using namespace serve;

constexpr std::array<std::string_view, 6> kKnown = {"image", "images", "text", "texts", "id", "top"};

Fields of_json(std::string_view body) { return read_json_fields(body, kKnown); }
Fields of_parts(std::initializer_list<Part> parts) { return read_part_fields({parts.begin(), parts.size()}, kKnown); }
std::string json_error(std::string_view body) {
  return tests::error_of([&] { (void)of_json(body); });
}
std::string part_error(std::initializer_list<Part> parts) {
  return tests::error_of([&] { (void)of_parts(parts); });
}

}  // namespace

TEST_CASE("Base64 is read as it is written, with and without padding, and nothing else is") {
  for (size_t size = 0; size < 70; ++size) {
    std::vector<uint8_t> bytes(size);
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(37 * i + 251 * size);
    const std::string whole(bytes.begin(), bytes.end());
    std::string written = base64(bytes);
    CHECK(decode_base64(written) == whole);
    CHECK(decode_base64("data:image/png;base64," + written) == whole);
    while (written.ends_with('=')) written.pop_back();
    CHECK(decode_base64(written) == whole);
  }
  for (const char* bad : {"A", "AAAAA", "A===", "AA=A", "=AAA", "AAA\n", "A AA", "AA-_", "AB", "AAB", "====", "AAAA="})
    CHECK_MESSAGE(!decode_base64(bad).has_value(), bad);
}

TEST_CASE("Pictures of JSON: a name, bytes, a test picture; they become places in a list") {
  const Fields one = of_json(R"({"image": "a/b.png", "text": "x"})");
  REQUIRE(one.pictures.size() == 1);
  CHECK(one.pictures[0].source == GivenPicture::Source::folder);
  CHECK(one.pictures[0].name == "a/b.png");
  CHECK(one.object["image"] == "0");
  const Fields many = of_json(R"({"images": [{"base64": "QUJD"}, {"test": "7.jpg"}, "c.png"], "text": "x", "id": 5})");
  REQUIRE(many.pictures.size() == 3);
  CHECK(many.pictures[0].bytes == "ABC");
  CHECK(many.pictures[0].name == "image 1");
  CHECK(many.pictures[1].source == GivenPicture::Source::test);
  CHECK(many.pictures[1].name == "7.jpg");
  CHECK(many.pictures[2].name == "c.png");
  CHECK(many.object["images"] == nlohmann::json({"0", "1", "2"}));
}

TEST_CASE("What is wrong with a JSON body is told with its field") {
  CHECK(json_error("[1]") == "request is an array, expected an object");
  CHECK(tests::lacking(json_error("{"), {"request"}) == "");
  CHECK(json_error(R"({"picture": 1})") ==
        "request: there is no field 'picture'; there are image, images, text, texts, id, top");
  CHECK(tests::lacking(json_error(R"({"image": 5})"),
                       {"request: field 'image' is a number, expected a picture's name"}) == "");
  CHECK(tests::lacking(json_error(R"({"image": null})"), {"field 'image' is null"}) == "");
  CHECK(tests::lacking(json_error(R"({"image": {"base64": "QUJD", "test": "x"}})"), {"an object of other fields"}) ==
        "");
  CHECK(tests::lacking(json_error(R"({"image": {"path": "/etc/passwd"}})"), {"an object of other fields"}) == "");
  CHECK(tests::lacking(json_error(R"({"images": ["a", {"base64": "Q*"}]})"),
                       {"entry 1 of 'images': 'base64' is not base64"}) == "");
  CHECK(tests::lacking(json_error(R"({"images": [{"base64": 7}]})"), {"entry 0 of 'images': 'base64' is a number"}) ==
        "");
  CHECK(tests::lacking(json_error("{\"text\": \"\xff\"}"), {"request"}) == "");
  CHECK(tests::lacking(json_error(R"({"text": "a", "text": "b"})"), {"text"}) == "");
  std::string many = R"({"images": ["a")";
  for (int i = 0; i < 1024; ++i) many += R"(,"a")";
  CHECK(tests::lacking(json_error(many + "]}"), {"more than 1024 pictures"}) == "");
}

TEST_CASE("Parts of a form: files are pictures, others values; lists in their order") {
  const Fields fields = of_parts({{"images", "cat.png", "bytes"},
                                  {"images", "", "dog.png"},
                                  {"text", "", "12"},
                                  {"top", "", "3"},
                                  {"id", "", "true"}});
  REQUIRE(fields.pictures.size() == 2);
  CHECK(fields.pictures[0].bytes == "bytes");
  CHECK(fields.pictures[0].name == "cat.png");
  CHECK(fields.pictures[1].source == GivenPicture::Source::folder);
  CHECK(fields.object["images"] == nlohmann::json({"0", "1"}));
  CHECK(fields.object["text"] == "12");  // a text stays one
  CHECK(fields.object["top"] == 3);
  CHECK(fields.object["id"] == true);
  CHECK(of_parts({{"texts", "", "a"}, {"texts", "", "b"}}).object["texts"] == nlohmann::json({"a", "b"}));
  CHECK(of_parts({{"top", "", "3x"}}).object["top"] == "3x");
  CHECK(of_parts({{"top", "", "--"}}).object["top"] == "--");
}

TEST_CASE("What is wrong with a form is told with its field") {
  CHECK(tests::lacking(part_error({{"colour", "", "x"}}), {"there is no field 'colour'"}) == "");
  CHECK(part_error({{"text", "", "a"}, {"text", "", "b"}}) == "request: field 'text' is there twice");
  CHECK(part_error({{"text", "a.txt", "x"}}) == "request: field 'text' is a file, expected a text");
  for (const char* text : {"\xff", "\xff\xfe", "a\x9e", "caf\xc3"})
    CHECK(part_error({{"text", "", text}}) == "request: field 'text' is no UTF-8");
  CHECK(of_parts({{"text", "", "caf\xc3\xa9"}}).object["text"] == "caf\xc3\xa9");
  CHECK(part_error({{"image", "a.png", "x"}, {"image", "b.png", "x"}}) == "request: field 'image' is there twice");
}

TEST_CASE("Numbers have ranges and types") {
  const nlohmann::json object = {{"a", 5}, {"b", 2.5}, {"c", "5"}, {"d", true}, {"e", 18446744073709551615u},
                                 {"f", -3}};
  CHECK(integer_field(object, "a", 1, 0, 9) == 5);
  CHECK(integer_field(object, "none", 1, 0, 9) == 1);
  CHECK(number_field(object, "b", 1, 0, 9) == 2.5);
  CHECK(number_field(object, "a", 1, 0, 9) == 5);
  CHECK(flag_field(object, "d"));
  CHECK(!flag_field(object, "none"));
  const auto integer_error = [&](const char* name) {
    return tests::error_of([&] { (void)integer_field(object, name, 1, 0, 4); });
  };
  CHECK(integer_error("a") == "request: field 'a' is 5, expected 0 to 4");
  CHECK(integer_error("b") == "request: field 'b' is a number, expected a whole number");
  CHECK(integer_error("c") == "request: field 'c' is a string, expected a whole number");
  CHECK(integer_error("e") == "request: field 'e' is 18446744073709551615, expected 0 to 4");
  CHECK(integer_error("f") == "request: field 'f' is -3, expected 0 to 4");
  CHECK(tests::error_of([&] { (void)number_field(object, "b", 1, 0, 2); }) ==
        "request: field 'b' is 2.5, expected 0 to 2");
  CHECK(tests::error_of([&] { (void)number_field(object, "c", 1, 0, 2); }) ==
        "request: field 'c' is a string, expected a number");
  CHECK(tests::error_of([&] { (void)flag_field(object, "a"); }) ==
        "request: field 'a' is a number, expected true or false");
}

}  // namespace tessera::serve_request_test

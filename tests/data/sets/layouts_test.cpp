#include "data/sets/layouts.h"

#include <doctest/doctest.h>

#include "data/sets/dataset.h"
#include "tests/data/sets/small_dataset.h"
#include "tests/temporary_directory.h"

namespace tessera::layouts_test {

using tests::check_message;
using tests::TemporaryDirectory;
namespace fs = std::filesystem;

namespace {

// Of files that are not looked for; damaged lines are left out.
DatasetOptions lenient() {
  DatasetOptions options;
  options.check_files = false;
  options.max_missing = 100;
  return options;
}

Dataset parsed(const std::string& contents, const std::string& name, const DatasetOptions& options = lenient()) {
  return Dataset::parse(contents, "", name, "pictures", options);
}

// "FILE|caption|caption FILE|…", without the image folder
std::string pictures(const Dataset& dataset) {
  std::string out;
  for (const DatasetImage& image : dataset.images()) {
    out += text(out.empty() ? "" : " ; ", image.path().lexically_relative("pictures").string());
    for (int64_t s = image.first_sentence; s < image.first_sentence + image.sentence_count; ++s)
      out += text('|', dataset.sentences()[static_cast<size_t>(s)].text);
  }
  return out;
}

std::string error_of(const std::string& contents, const std::string& name, const DatasetOptions& options = lenient()) {
  try {
    parsed(contents, name, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string layout_of(const std::string& contents, const std::string& name = "set.json") {
  return parsed(contents, name).remarks().layout;
}

}  // namespace

TEST_CASE("layouts: a file tells its own, whatever its name") {
  check_message(
      layout_of(
          R"({"annotations": [{"image_id": 1, "id": 5, "caption": "a"}], "images": [{"id": 1, "file_name": "x.jpg"}]})"),
      "data.kind = \"coco\"");
  check_message(
      layout_of(R"({"info": {}, "licenses": [{"url": "u", "id": 1}], "images": [{"file_name": "x.jpg", "id": 1}],
                             "annotations": [{"image_id": 1, "id": 5, "caption": "a"}]})"),
      "COCO's own captions");
  check_message(layout_of(R"([{"regions": [{"phrase": "a"}], "id": 1}])"), "visual-genome");
  check_message(layout_of("a dog\thttp://x.example/1.jpg\n"), "conceptual-captions");
  check_message(layout_of("bad line\nhttp://x.example/1.jpg\ta dog\n", "set.csv"), "conceptual-captions");
  check_message(layout_of(R"({"image_urls": ["http://x"], "captions": ["a"]})"), "sbu");
  check_message(layout_of("1.jpg#0\ta dog\n"), "flickr30k");
  check_message(layout_of(R"([["a/1", "a dog"]])"), "pairs");
  check_message(layout_of(R"([{"image": "1.jpg", "caption": ["a", "b"], "image_id": "coco_1"}])"), "list");
  check_message(layout_of("\xef\xbb\xbf [{\"file_name\": \"a.jpg\", \"text\": \"a b\"}]"), "list");
  check_message(layout_of("{\"image\": \"1.jpg\", \"text\": \"a\"}\n"), "jsonl");
  check_message(layout_of("image,text\n1.jpg,a\n"), "table");
  check_message(layout_of("image_name| comment_number| comment\n1.jpg| 0| a\n"), "table");
  check_message(layout_of("\xef\xbb\xbfTitle\tFilePath\r\na\t1.jpg\r\n"), "table");
}

TEST_CASE("layouts: data.kind names one, and what does not fit it is told") {
  DatasetOptions options = lenient();
  options.kind = "jsonl";
  CHECK(pictures(parsed("\n{\"path\": \"1.jpg\", \"text\": \"a\"}\n", "set.txt", options)) == "1.jpg|a");
  options.kind = "table";
  check_message(error_of("picture;words\n", "set.txt", options),
                "set.txt: line 1 is 'picture;words', expected a header that names a column for the picture");
  options.kind = "img2dataset";
  check_message(error_of("image,text\n", "set.txt", options),
                "data.kind is 'img2dataset', which is a folder, and this is a file");
  options.kind = "parquet";
  check_message(error_of("", "set.txt", options),
                "data.kind is 'parquet', expected one of: auto, karpathy, coco, visual-genome");
  check_message(error_of("no,header\n1,2\n", "set.csv"), "line 1 is 'no,header', expected a header");
}

TEST_CASE("layouts: COCO's captions, in any order of the arrays, by the pictures") {
  const std::string images =
      R"("images": [{"id": 7, "file_name": "COCO_train2014_7.jpg"}, {"id": 2, "file_name": "2.jpg"}, {"id": 9, "file_name": "9.jpg"}])";
  const std::string annotations =
      R"("annotations": [{"image_id": 2, "id": 50, "caption": "b"}, {"image_id": 7, "id": 40, "caption": "a\n"},
          {"image_id": 2, "id": 30, "caption": "c"}, {"image_id": 2, "id": 31, "caption": "b"}])";
  for (const std::string& json : {"{" + images + "," + annotations + "}", "{" + annotations + "," + images + "}"}) {
    const Dataset dataset = parsed(json, "captions_train2017.json");
    CHECK(pictures(dataset) == "COCO_train2014_7.jpg|a ; 2.jpg|b|c");
    CHECK(dataset.images()[0].id == 7);
    CHECK(dataset.images()[1].split == "train");
    CHECK(dataset.image_index(2) == 1);
    CHECK(dataset.image_index(9) == -1);
    CHECK(dataset.sentences()[2].id == 30);
    REQUIRE(dataset.remarks().notes.size() == 1);
    CHECK(dataset.remarks().notes[0] == "passed over: pictures without a caption (1)");
  }
  const auto error = [&](const std::string& annotation) {
    return error_of(
        "{" + images + R"(, "annotations": [{"image_id": 2, "id": 50, "caption": "b"}, )" + annotation + "]}",
        "captions_val2014.json");
  };
  check_message(error(R"({"image_id": 3, "id": 1, "caption": "b"})"),
                "annotation with the id 1: no image of the file has the number 3");
  check_message(error(R"({"image_id": 2, "id": 50, "caption": "c"})"), "an earlier sentence has the same id 50");
  check_message(error(R"({"image_id": 2, "id": 51, "caption": " \u3000"})"),
                "field 'caption' is empty, expected a caption");
  check_message(error(R"({"image_id": 2, "id": 51, "caption": null})"), "field 'caption' is null, expected a string");
  check_message(error(R"({"image_id": 2, "id": 51, "bbox": []})"),
                "field 'caption' is missing; is this another of COCO's");
  check_message(error(R"({"image_id": "2", "id": 51, "caption": "a"})"),
                "field 'image_id' is a string, expected an integer");
  check_message(error_of(R"({"images": [{"id": 1, "file_name": "x.jpg"}]})", "i.json"),
                "field 'annotations' is missing");
}

TEST_CASE("layouts: pictures are found where the archives put them") {
  const TemporaryDirectory folder;
  for (const char* name : {"val2017", "images/VG_100K", "images/VG_100K_2", "images_val/0000"})
    fs::create_directories(folder.path() / name);
  for (const char* name :
       {"val2017/1.jpg", "images/VG_100K/1.jpg", "images/VG_100K_2/2.jpg", "images_val/0000/0000001"})
    folder.write(name, "x");
  const auto files = [&](const std::string& contents, const std::string& name) {
    const Dataset dataset = Dataset::open(folder.write(name, contents), folder.path());
    std::string out;
    for (const DatasetImage& image : dataset.images())
      out += image.path().lexically_relative(folder.path()).string() + " ";
    return out;
  };
  CHECK(
      files(
          R"({"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [{"image_id": 1, "id": 1, "caption": "a"}]})",
          "captions_val2017.json") == "val2017/1.jpg ");
  CHECK(
      files(R"([{"regions": [{"phrase": "a"}, {"phrase": " "}], "id": 1}, {"regions": [{"phrase": "b"}], "image_id": 2},
                  {"regions": [], "id": 3}])",
            "region_descriptions.json") == "images/VG_100K/1.jpg images/VG_100K_2/2.jpg ");
  // The second line: pictures are numbered from 0 on.
  DatasetOptions one_bad = {};
  one_bad.max_missing = 1;
  const Dataset numbered =
      Dataset::open(folder.write("Validation_GCC.tsv", "no address\nb\thttp://x/1\n"), folder.path(), one_bad);
  REQUIRE(numbered.images().size() == 1);
  CHECK(numbered.images()[0].path() == folder.path() / "images_val/0000/0000001");
  CHECK(numbered.images()[0].split == "val");
  CHECK_FALSE(numbered.images()[0].missing);
}

TEST_CASE("layouts: lists of addresses number their pictures by line, and damaged lines cost only themselves") {
  const Dataset dataset = parsed(
      "a\thttp://x/0\n\tb\nb\thttp://x/2\r\nb\thttp://x/2\r\nc\tno address\nd\te\thttp://x\n"
      "\xff\thttp://x/7\nlast\thttp://x/8",
      "cc_train.tsv");
  CHECK(pictures(dataset) == "0000/0000000|a ; 0000/0000002|b ; 0000/0000007|last");
  CHECK(dataset.remarks().left_out == 4);
  REQUIRE(dataset.remarks().reasons.size() == 4);
  check_message(dataset.remarks().reasons[0], "line 2: 'b' is no address");
  check_message(dataset.remarks().reasons[1], "line 5: 'no address' is no address");
  check_message(dataset.remarks().reasons[2], "line 6 has 3 columns");
  check_message(dataset.remarks().reasons[3], "line 7 is no valid UTF-8");
  CHECK(dataset.remarks().notes[0] == "passed over: repeated lines (1)");
  std::string many;
  for (int i = 0; i < 12'346; ++i) many += text("http://x/", i, "\tcaption\n");
  const Dataset long_list = parsed(many, "cc12m_train.tsv");
  CHECK(long_list.images().size() == 12'346);
  CHECK(long_list.images().back().path() == "pictures/0012/0012345");

  DatasetOptions strict = lenient();
  strict.max_missing = 1;
  const std::string error = error_of("a\thttp://x/0\nb\nc\n", "cc_train.tsv", strict);
  check_message(error, "cc_train.tsv: 2 lines cannot be used; at most 1 may be left out (data.max_bad_files");
  check_message(error, "line 3 has 1 column, expected a caption, a tab and an address");
  check_message(error_of(std::string(2 << 20, 'x') + "\thttp://x\n", "cc.tsv"), "line 1 has more than 1048576 bytes");
}

TEST_CASE("layouts: SBU's two lists belong together line by line") {
  const TemporaryDirectory folder;
  const fs::path captions = folder.write("SBU_captions.txt", "a\nb\n\nc\n");
  folder.write("SBU_urls.txt", "http://x/0\nhttp://x/1\nhttp://x/2\nhttp://x/3\n");
  const Dataset dataset = Dataset::open(captions, folder.path(), lenient());
  REQUIRE(dataset.images().size() == 3);
  CHECK(dataset.images()[2].path() == folder.path() / "0000/0000003");
  CHECK(dataset.sentences()[2].text == "c");
  CHECK(dataset.remarks().left_out == 1);
  folder.write("SBU_urls.txt", "http://x/0\nhttp://x/1\nhttp://x/2\n");
  CHECK_THROWS_WITH_AS(Dataset::open(captions, folder.path(), lenient()),
                       doctest::Contains("4 captions, but 3 addresses in"), Error);
  CHECK(pictures(parsed(R"({"image_urls": ["u", "v"], "user_ids": [1], "captions": ["a", "b"]})", "s.json")) ==
        "0000/0000000|a ; 0000/0000001|b");
  check_message(error_of(R"({"image_urls": ["u"], "captions": ["a", "b"]})", "s.json"), "2 captions, but 1 addresses");
  check_message(error_of(R"({"image_urls": ["u"], "captions": [1]})", "s.json"), "entry 0 of 'captions' is a number");
}

TEST_CASE("layouts: several lines of one picture are its captions, also when others stand between") {
  const std::string expected = "a.jpg|one|two|three ; b.jpg|four";
  CHECK(pictures(parsed("image,text\na.jpg,one\na.jpg,two\nb.jpg,four\na.jpg,three\na.jpg,two\n./a.jpg,one\n",
                        "train.csv")) == expected);
  CHECK(pictures(parsed("a.jpg#0\tone\na.jpg#1\ttwo\nb.jpg#0\tfour\na.jpg#2\tthree\n", "train.token")) == expected);
  CHECK(pictures(parsed(R"({"image": "a.jpg", "captions": ["one", "two"]}
{"image": "b.jpg", "caption": "four"}

{"image": "a.jpg", "text": "three"}
)",
                        "train.jsonl")) == expected);
  CHECK(pictures(parsed(R"([["a.jpg", "one"], ["a.jpg", "two"], ["b.jpg", "four"], ["a.jpg", ["three"]]])",
                        "train.json")) == expected);
  // More than are compared one by one.
  std::string many = "image,text\n", names;
  for (int i = 0; i < 50; ++i) many += text("a.jpg,", i % 25, "\n");
  for (int i = 0; i < 25; ++i) names += text("|", i);
  CHECK(pictures(parsed(many, "train.csv")) == "a.jpg" + names);
}

TEST_CASE("layouts: tables as RFC 4180 has them") {
  const Dataset dataset = parsed(
      "id,Text,\"image\",split\r\n1,\"a \"\"red\"\", round ring\",a.jpg,train\r\n"
      "2,\"two\nlines\",b.jpg,validation\r\n\r\n3,plain \"quotes\",c.jpg, test\r\n4,\"x\"y,d.jpg,train\r\n"
      "5,too,many,d.jpg,train\r\n6,few\r\n7,again,c.jpg,train\r\n8,x,,train\r\n9,x,../e.jpg,train\r\n"
      "10,last,f.jpg,training",
      "set.csv");
  CHECK(pictures(dataset) == "a.jpg|a \"red\", round ring ; b.jpg|two\nlines ; c.jpg|plain \"quotes\" ; f.jpg|last");
  CHECK(dataset.images()[1].split == "val");
  CHECK(dataset.images()[2].split == "test");
  CHECK(dataset.images()[3].split == "train");
  const std::vector<std::string>& reasons = dataset.remarks().reasons;
  REQUIRE(reasons.size() == 6);
  check_message(reasons[0], "line 7: text follows the closing quote of field 2");
  check_message(reasons[1], "line 8 has 5 fields, the header 4; a field with a separator needs quotes");
  check_message(reasons[2], "line 9 has 2 fields, the header 4");
  check_message(reasons[3],
                "line 10: the split is 'train', and another one where the picture 'c.jpg' was named before");
  check_message(reasons[4], "line 11: field 'image' is '', expected a file name");
  check_message(reasons[5], "line 12: field 'image' is '../e.jpg', which leaves the image folder");
  // Most tables with tabs know no quotes.
  CHECK(pictures(parsed("image\ttext\na.jpg\t\"Ring\" is red\nb.jpg\t\"a\tb\"\n", "train.tsv")) ==
        "a.jpg|\"Ring\" is red ; b.jpg|a\tb");
  check_message(error_of("image,text\na.jpg,\"" + std::string(2 << 20, 'x'), "set.csv"),
                "line 2: a record of more than 1048576 bytes; a quoted field in it does not end");
  CHECK(parsed("image,text\na.jpg,a\nb.jpg,\"x\ny\n", "train.csv").remarks().left_out == 1);
  // The same conflict is told whichever split is opened.
  for (const char* split : {"train", "test"}) {
    DatasetOptions options = lenient();
    options.splits = {split};
    CHECK(parsed("image,text,split\nc.jpg,a,test\nd.jpg,a,train\nc.jpg,b,train\n", "s.csv", options).images().size() ==
          1);
  }
}

TEST_CASE("layouts: damaged JSON lines are left out, a damaged JSON list is an error") {
  const Dataset dataset = parsed(
      "{\"image\": \"a.jpg\", \"text\": \"a\"}\n{broken\n{\"image\": \"b.jpg\"}\n{\"image\": 3, \"text\": \"b\"}\n"
      "{\"image\": \"b.jpg\", \"text\": [\"b\", 4]}\n{\"image\": \"b.jpg\", \"text\": []}\n[]\n"
      "{\"image\": \"b.jpg\", \"text\": \"b\", \"split\": \"new\"}\n{\"image\": \"http://x/y.jpg\", \"text\": \"b\"}\n",
      "train.jsonl");
  CHECK(pictures(dataset) == "a.jpg|a");
  const std::vector<std::string>& reasons = dataset.remarks().reasons;
  REQUIRE(reasons.size() == 8);
  check_message(reasons[0], "line 2: not valid JSON");
  check_message(reasons[1], "line 3: no field names the caption, expected one of text, caption");
  check_message(reasons[2], "line 4: field 'image' is a number, expected a string");
  check_message(reasons[3], "line 5: field 'text' holds a number, expected strings");
  check_message(reasons[4], "line 6: field 'text' is empty, expected at least one caption");
  check_message(reasons[5], "line 7: not a JSON object");
  check_message(reasons[6], "line 8: field 'split' is 'new', expected train");
  check_message(reasons[7], "line 9: field 'image' is the address 'http://x/y.jpg', expected the name of a file");
  check_message(error_of(R"([{"image": "a.jpg", "text": "a"}, {"text": "b"}])", "s.json"),
                "entry 1: no field names the picture, expected one of image, image_path");
  check_message(error_of(R"([{"image": "a.jpg", "text": "a"}, {"image")", "s.json"), "not valid JSON");
  check_message(error_of(R"([["a.jpg", "a"], ["b.jpg"]])", "s.json"),
                "entry 1 is no array of a picture and its caption");
  check_message(error_of(R"([["a.jpg", "a"], 3])", "s.json"), "entry 1 is no array of a picture and its caption");
}

TEST_CASE("layouts: a folder of img2dataset, in the order of names") {
  const TemporaryDirectory folder;
  for (const char* shard : {"00000", "00001"}) fs::create_directories(folder.path() / "data" / shard);
  folder.write("data/00000_stats.json", "{}");
  folder.write("data/00001/000010002.txt", "third");
  folder.write("data/00001/000010002.webp", "x");
  folder.write("data/00000/000000007.jpg", "x");
  folder.write("data/00000/000000007.json", R"({"caption": "second", "url": "u"})");
  folder.write("data/00000/000000003.jpg", "x");
  folder.write("data/00000/000000003.txt", "first");
  folder.write("data/00000/000000003.json", R"({"caption": "not this"})");
  folder.write("data/00000/000000008.jpg", "x");
  folder.write("data/00000/000000009.txt", "no picture");
  DatasetOptions options;
  options.max_missing = 1;
  options.remaining_split = "train";
  const Dataset dataset = Dataset::open(folder.path() / "data", folder.path() / "data", options);
  REQUIRE(dataset.images().size() == 4);
  const char* names[] = {"00000/000000003.jpg", "00000/000000007.jpg", "00000/000000009.jpg", "00001/000010002.webp"};
  const char* captions[] = {"first", "second", "no picture", "third"};
  for (size_t i = 0; i < 4; ++i) {
    CHECK(dataset.images()[i].path() == folder.path() / "data" / names[i]);
    CHECK(dataset.sentences()[i].text == captions[i]);
    CHECK(dataset.images()[i].missing == (i == 2));
  }
  REQUIRE(dataset.remarks().reasons.size() == 1);
  check_message(dataset.remarks().reasons[0], "00000/000000008 has no caption (.txt or .json)");
  fs::create_directories(folder.path() / "empty");
  CHECK_THROWS_WITH_AS(Dataset::open(folder.path() / "empty", folder.path(), options),
                       doctest::Contains("has no folders of pictures and captions"), Error);
}

}  // namespace tessera::layouts_test

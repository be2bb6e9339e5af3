#include "data/sets/splits.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "data/sets/dataset.h"
#include "tensor/error.h"
#include "tests/temporary_directory.h"

namespace tessera::splits_test {

namespace {

std::vector<std::string_view> held_out(const std::vector<std::string_view>& names) {
  std::vector<uint64_t> keys;
  for (const std::string_view name : names) keys.push_back(split_key(name));
  return held_out_splits(keys);
}

}  // namespace

TEST_CASE("splits: the name of a file tells one") {
  const std::map<std::string, std::string> expected = {{"captions_train2014.json", "train"},
                                                       {"captions_val2017.json", "val"},
                                                       {"Train_GCC-training.tsv", "train"},
                                                       {"coco_karpathy_test.json", "test"},
                                                       {"train_annot.json", "train"},
                                                       {"annot.json", ""},
                                                       {"Validation_GCC-1.1.0-Validation.tsv", "val"},
                                                       {"dev.jsonl", "val"},
                                                       {"region_descriptions.json", ""},
                                                       {"train_val.json", ""},
                                                       {"captions_trainval2014.json", ""},
                                                       {"restval.json", ""},
                                                       {"constrained.csv", ""},
                                                       {"test", "test"},
                                                       {"", ""}};
  for (const auto& entry : expected) {
    CAPTURE(entry.first);
    CHECK(split_of_file_name(entry.first) == entry.second);
  }
}

TEST_CASE("splits: a twentieth is held out for validation, and another for the test, whatever the order") {
  std::vector<std::string> texts;
  for (int i = 0; i < 1000; ++i) texts.push_back("0000/" + std::to_string(i) + ".jpg");
  std::vector<std::string_view> names(texts.begin(), texts.end());
  const auto by_name = [](const std::vector<std::string_view>& of) {
    std::map<std::string_view, std::string_view> out;
    const auto splits = held_out(of);
    for (size_t i = 0; i < of.size(); ++i) out[of[i]] = splits[i];
    return out;
  };
  const auto first = by_name(names);
  const auto count = [](const auto& of, std::string_view split) {
    return std::count_if(of.begin(), of.end(), [&](const auto& entry) { return entry.second == split; });
  };
  CHECK(count(first, "val") == 50);
  CHECK(count(first, "test") == 50);
  std::reverse(names.begin(), names.end());
  CHECK(by_name(names) == first);
  // Spread over the list: of 50 of a thousand, some are among each 250.
  for (int quarter = 0; quarter < 4; ++quarter) {
    int held_out = 0;
    for (int i = 250 * quarter; i < 250 * (quarter + 1); ++i)
      held_out += first.at(texts[static_cast<size_t>(i)]) == "val";
    CHECK(held_out >= 3);
  }
  // With one picture more few change their place.
  names.push_back("one more");
  auto more = by_name(names);
  int changed = 0;
  for (const auto& [name, split] : first) changed += more[name] != split;
  CHECK(changed <= 2);
  for (const size_t few : {0, 1, 2}) {
    const auto splits = held_out({names.begin(), names.begin() + static_cast<std::ptrdiff_t>(few)});
    CHECK(std::count(splits.begin(), splits.end(), "train") == static_cast<std::ptrdiff_t>(few));
  }
  const auto three = held_out({names.begin(), names.begin() + 3});
  CHECK(std::set<std::string_view>(three.begin(), three.end()).size() == 3);
}

TEST_CASE("splits: of a record, of the file's name, of the options, or held out") {
  const auto open = [](const std::string& contents, const std::string& name, std::vector<std::string> splits,
                       const std::string& remaining = "") {
    DatasetOptions options;
    options.check_files = false;
    options.splits = std::move(splits);
    options.remaining_split = remaining;
    return Dataset::parse(contents, "", name, "pictures", options);
  };
  std::string table = "image,text\n";
  for (int i = 0; i < 40; ++i) table += text(i, ".jpg,caption ", i, "\n");
  const Dataset all = open(table, "set.csv", {});
  CHECK(all.images().size() == 40);
  CHECK(all.remarks().splits == std::map<std::string, int64_t>{{"test", 2}, {"train", 36}, {"val", 2}});
  CHECK(all.remarks().notes ==
        std::vector<std::string>{"nothing tells the splits of its pictures, 40 of them: held out "
                                 "by their names are 2 as val and 2 as test (docs/data.md)"});
  // Each split alone is that part of them all.
  for (const char* split : {"train", "val", "test"}) {
    const Dataset part = all.part(split), alone = open(table, "set.csv", {split});
    REQUIRE(part.images().size() == alone.images().size());
    for (size_t i = 0; i < part.images().size(); ++i) {
      CHECK(part.images()[i].file == alone.images()[i].file);
      CHECK(alone.sentences()[i].image == static_cast<int64_t>(i));
      CHECK(alone.image_index(alone.images()[i].id) == static_cast<int64_t>(i));
    }
  }
  // Wherever pictures were found: a vocabulary is learnt without them.
  const tests::TemporaryDirectory folder;
  std::string list, regions;
  for (int i = 0; i < 40; ++i) {
    list += text("caption ", i, "\thttp://x/", i, "\n");
    regions += text(i == 0 ? "[" : ",", R"({"id": )", i, R"(, "regions": [{"phrase": "caption )", i, R"("}]})");
  }
  for (const char* name : {"images_train/0000", "images/VG_100K"})
    std::filesystem::create_directories(folder.path() / name);
  for (const std::string& contents : {list, regions + "]"})
    for (const char* split : {"train", "val", "test"}) {
      DatasetOptions options;
      options.check_files = false;
      options.splits = {split};
      const Dataset here = Dataset::parse(contents, "", "list", folder.path(), options);
      const Dataset elsewhere = open(contents, "list", {split});
      REQUIRE(here.images().size() == elsewhere.images().size());
      CHECK(here.images()[0].path().lexically_relative(folder.path()).string().starts_with("images"));
      for (size_t s = 0; s < here.sentences().size(); ++s)
        CHECK(here.sentences()[s].text == elsewhere.sentences()[s].text);
    }
  CHECK(open(table, "train.csv", {}).part("train").images().size() == 40);
  CHECK(open(table, "set.csv", {"val"}, "val").images().size() == 40);
  CHECK_THROWS_WITH_AS(open(table, "train.csv", {"val"}),
                       doctest::Contains("no image has the split 'val'; the file has train (40), as its name says"),
                       Error);
  // Where some records say theirs, the others are for training.
  const Dataset mixed = open("image,text,split\na.jpg,a,test\nb.jpg,b,\nc.jpg,c,\nd.jpg,d,\ne.jpg,e,\n", "set.csv", {});
  CHECK(mixed.remarks().splits == std::map<std::string, int64_t>{{"test", 1}, {"train", 4}});
  CHECK(open("image,text,split\na.jpg,a,test\nb.jpg,b,\n", "val.csv", {"val"}).images().size() == 1);
}

}  // namespace tessera::splits_test

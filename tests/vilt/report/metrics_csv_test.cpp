#include "vilt/report/metrics_csv.h"

#include <doctest/doctest.h>

#include <vector>

#include "tensor/error.h"
#include "tests/temporary_directory.h"

namespace tessera::metrics_csv_test {

namespace {

std::string csv_of(const std::string& lines) {
  const tests::TemporaryDirectory directory;
  directory.write("metrics.jsonl", lines);
  return metrics_csv(std::vector<std::filesystem::path>{directory.path()});
}

}  // namespace

TEST_CASE("metrics as CSV: a step's training and evaluation are one row, names are quoted, gaps are empty") {
  CHECK(csv_of(R"({"step":1,"seconds":0.5,"loss":2.5,"grad_norm":null}
{"step":2,"seconds":1,"loss":1.25e-7,"grad_norm":3}
{"step":2,"seconds":1.5,"evaluation":{"accuracy":0.5,"accuracy, yes/no":0.25,"say \"so\"":1,"by":{"colour":null}}}
)") == "step,seconds,loss,grad_norm,evaluation/accuracy,\"evaluation/accuracy, yes/no\",\"evaluation/say "
       "\"\"so\"\"\",evaluation/by/colour\r\n"
       "1,0.5,2.5,,,,,\r\n"
       "2,1,1.25e-07,3,0.5,0.25,1,\r\n");
}

TEST_CASE("metrics as CSV: what a resumed run logged again counts, and what is no row is skipped") {
  CHECK(csv_of(R"({"step":1,"loss":3}
{"step":2,"loss":2}
{"step":3,"loss":9}
no json
[1]
{"loss":1}
{"step":"4","loss":1}
{"step":2,"loss":1.5}
{"step":4,"lo)") == "step,loss\r\n1,3\r\n2,1.5\r\n");
}

TEST_CASE("metrics as CSV: an evaluation that is made once more leaves what training said of its step") {
  CHECK(csv_of(R"({"step":2,"loss":2}
{"step":2,"evaluation":{"accuracy":0.5}}
{"step":2,"evaluation":{"accuracy":0.75}}
)") == "step,loss,evaluation/accuracy\r\n2,2,0.75\r\n");
}

TEST_CASE("metrics as CSV: lists are columns with the entries' numbers, as many as the longest has") {
  CHECK(csv_of(R"({"step":1,"evaluation":{"by_layer":[0.25,null],"n":1}}
{"step":2,"evaluation":{"by_layer":[0.5,0.75,[1,2]],"n":2,"text":"x","truth":true}}
)") == "step,evaluation/by_layer/1,evaluation/by_layer/2,evaluation/n,evaluation/by_layer/3/1,evaluation/by_layer/3/"
       "2\r\n"
       "1,0.25,,1,,\r\n2,0.5,0.75,2,1,2\r\n");
}

TEST_CASE("metrics as CSV: how many lines were left out, of each file") {
  const tests::TemporaryDirectory directory;
  const auto remarks_of = [&](const std::string& lines) {
    directory.write("metrics.jsonl", lines);
    std::string out;
    metrics_csv(std::vector<std::filesystem::path>{directory.path()},
                [&](const std::string& remark) { out += remark; });
    return out;
  };
  const std::string file = (directory.path() / "metrics.jsonl").string();
  CHECK(remarks_of("{\"step\":1,\"loss\":1}\n\n  \r\n") == "");
  CHECK(remarks_of("") == "");
  CHECK(remarks_of("{\"step\":1}\n\n{\"step\":2,\"lo") == file + ": line 3 is damaged and left out");
  CHECK(remarks_of("x\n{\"step\":1}\n[1]\n{\"step\":\"2\"}\n") ==
        file + ": 3 lines are damaged and left out, the first is line 1");
}

TEST_CASE("metrics as CSV: values deep in one another are damage, however deep") {
  for (const char* open : {"[", "{\"a\":"}) {
    std::string deep = "{\"step\":1,\"a\":";
    for (int i = 0; i < 200'000; ++i) deep += open;
    CHECK(csv_of("{\"step\":2,\"loss\":1}\n" + deep + "\n") == "step,loss\r\n2,1\r\n");
    deep += "1";
    for (int i = 0; i < 200'000; ++i) deep += *open == '[' ? "]" : "}";
    CHECK(csv_of("{\"step\":2,\"loss\":1}\n" + deep + "}\n") == "step,loss\r\n2,1\r\n");
  }
}

TEST_CASE("metrics as CSV: several runs have a column that tells them apart") {
  const tests::TemporaryDirectory directory;
  for (const char* name : {"a", "b, too"}) std::filesystem::create_directory(directory.path() / name);
  directory.write("a/metrics.jsonl", "{\"step\":5,\"loss\":1}\n");
  directory.write("b, too/metrics.jsonl", "{\"step\":4,\"accuracy\":0.5}\n");
  const std::vector<std::filesystem::path> runs{directory.path() / "a", directory.path() / "b, too"};
  CHECK(metrics_csv(runs) ==
        "run,step,loss,accuracy\r\n" + runs[0].string() + ",5,1,\r\n\"" + runs[1].string() + "\",4,,0.5\r\n");
  CHECK_THROWS_AS(metrics_csv(std::vector<std::filesystem::path>{directory.path()}), Error);
}

}  // namespace tessera::metrics_csv_test

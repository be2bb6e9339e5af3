#include "vilt/report/report_metrics.h"

#include <doctest/doctest.h>

#include "tests/temporary_directory.h"

namespace tessera::report_metrics_test {

namespace {

std::vector<double> steps(const std::vector<MetricRow>& rows) {
  std::vector<double> out;
  for (const MetricRow& row : rows) out.push_back(row.step);
  return out;
}

}  // namespace

TEST_CASE("metrics: rows of both kinds, and what is no row") {
  const tests::TemporaryDirectory directory;
  const auto path = directory.write("metrics.jsonl", R"({"step":1,"loss":2.5,"wpa_loss":null}
no json
[1]
{"loss":1}
{"step":"2"}
{"step":2,"evaluation":{"itm_accuracy_random":0.5,"itm_accuracy_hard":null,"by_kind":{"colour":1}}}
{"step":2,"loss":1.5}

{"step":3,"los)");
  const MetricLog log = read_metrics(path);
  CHECK(steps(log.training) == std::vector<double>{1, 2});
  CHECK(steps(log.evaluations) == std::vector<double>{2});
  CHECK(log.left_out.count == 5);
  CHECK(log.left_out.first == 2);
  CHECK(log.training[0].figures.at("loss") == 2.5);
  CHECK(!log.training[0].figures.contains("wpa_loss"));
  CHECK(log.evaluations[0].figures.size() == 1);
  const Series series = metric_series(log.training, "loss", "training", 2);
  CHECK(series.x == std::vector<double>{1, 2});
  CHECK(series.y == std::vector<double>{2.5, 1.5});
  CHECK(metric_series(log.training, "absent", "", 1).x.empty());
}

TEST_CASE("metrics: a run that goes back to a checkpoint replaces what it repeats") {
  const tests::TemporaryDirectory directory;
  const auto path = directory.write("metrics.jsonl", R"({"step":1,"loss":1}
{"step":2,"loss":2}
{"step":2,"evaluation":{"a":2}}
{"step":3,"loss":3}
{"step":4,"evaluation":{"a":4}}
{"step":3,"loss":30}
)");
  const MetricLog log = read_metrics(path);
  CHECK(steps(log.training) == std::vector<double>{1, 2, 3});
  CHECK(log.training[2].figures.at("loss") == 30);
  CHECK(steps(log.evaluations) == std::vector<double>{2});
}

TEST_CASE("metrics: no file, no rows") { CHECK(read_metrics("/nonexistent/metrics.jsonl").training.empty()); }

}  // namespace tessera::report_metrics_test

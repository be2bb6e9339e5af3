// cli/NAME: a complete checkpoint directory with pictures, queries.jsonl and expected.jsonl, asked through the command
// line. Which command it is follows from the fields of queries and answers.
#include <sys/wait.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "tests/golden/device.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Float32 logits of models of a few layers; a probability's slope in its logit is at most 1/4 (sigmoid and softmax).
constexpr double kTolerance = 1e-4;

std::string quoted(const std::string& argument) {
  std::string out = "'";
  for (const char c : argument) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string command_for(const json& query, const json& expected) {
  const json& results = expected.at("results");
  check(results.is_array() && !results.empty(), "the first query has no results");
  const json& first = results.at(0);
  if (first.contains("position")) return "fill";
  if (first.contains("score")) return "rank";
  if (first.contains("label")) return query.contains("images") ? "reason" : "answer";
  check(first.contains("probability"), "no command gives results such as ", first.dump());
  return "match";
}

// What the command writes to standard output, as rows.
std::vector<json> rows_of(const std::string& line) {
  FILE* pipe = popen(line.c_str(), "r");
  check(pipe != nullptr, "cannot run ", line);
  std::string output;
  char buffer[4096];
  for (size_t n = 0; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, n);
  const int status = pclose(pipe);
  check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "`", line, "` ended with status ",
        WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  std::vector<json> rows;
  std::istringstream in(output);
  for (std::string row; std::getline(in, row);) rows.push_back(json::parse(row));
  return rows;
}

// A result without its numbers: what it is a result about.
json subject(json result) {
  for (const char* value : {"logit", "probability", "score"}) result.erase(value);
  return result;
}

double rank_value(const json& result) { return result.at(result.contains("logit") ? "logit" : "score"); }

// Compares lists in which the best comes first; neighbours that are closer than the tolerance may change places, and
// the last with one that was cut off.
class AnswerComparison {
 public:
  void compare(const json& got, const json& expected, const std::string& where) {
    check(got.is_array() && got.size() == expected.size(), where, ": ", got.size(), " results, expected ",
          expected.size());
    for (size_t k = 0; k < expected.size(); ++k) {
      const std::string place = text(where, ", result ", k);
      check_fields(got[k], expected[k], place);
      if (expected[k].contains("position")) {
        check(got[k].at("position") == expected[k].at("position"), place, ": position ", got[k].at("position").dump(),
              ", expected ", expected[k].at("position").dump());
        compare(got[k].at("tokens"), expected[k].at("tokens"), place);
      } else {
        compare_result(got, expected, k, place);
      }
    }
  }
  double worst() const { return worst_; }
  int64_t count() const { return count_; }

 private:
  static void check_fields(const json& got, const json& expected, const std::string& where) {
    for (const auto& field : expected.items())
      check(got.contains(field.key()), where, ": no field '", field.key(), "'");
    check(got.size() == expected.size(), where, ": ", got.size(), " fields, expected ", expected.size());
  }

  void compare_result(const json& got, const json& expected, size_t k, const std::string& where) {
    const json about = subject(got[k]);
    for (const auto& field : expected[k].items()) {
      if (about.contains(field.key())) continue;
      const double difference = std::abs(got[k].at(field.key()).get<double>() - field.value().get<double>());
      check(difference <= kTolerance, where, ": ", field.key(), " ", got[k].at(field.key()).dump(), ", expected ",
            field.value().dump());
      worst_ = std::max(worst_, difference);
      ++count_;
    }
    if (about == subject(expected[k])) return;
    for (size_t j = 0; j < k; ++j) check(subject(got[j]) != about, where, ": ", about.dump(), " for the second time");
    const auto is_same = [&](const json& one) { return subject(one) == about; };
    const auto same = std::find_if(expected.begin(), expected.end(), is_same);
    const json& partner = same != expected.end() ? *same : expected.back();
    const double distance = std::abs(rank_value(partner) - rank_value(expected[k]));
    check(distance <= kTolerance, where, ": ", about.dump(), ", expected ", subject(expected[k]).dump());
  }

  double worst_ = 0;
  int64_t count_ = 0;
};

}  // namespace

Outcome run_command_line(const fs::path& directory, const std::string& vilt) {
  const std::vector<json> queries = read_json_lines(directory / "queries.jsonl");
  const std::vector<json> expected = read_json_lines(directory / "expected.jsonl");
  check(!queries.empty() && queries.size() == expected.size(), queries.size(), " queries, ", expected.size(),
        " answers");
  check(fs::exists(vilt), vilt, ": no such command; build it first");
  const std::string command = command_for(queries[0], expected[0]);
  const std::vector<json> rows =
      rows_of(quoted(vilt) + " " + command + " --model " + quoted(directory.string()) + " --jsonl " +
              quoted((directory / "queries.jsonl").string()) + (on_gpu() ? " --device cuda" : ""));
  check(rows.size() == expected.size(), rows.size(), " rows, expected ", expected.size());
  AnswerComparison comparison;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string where = text("row ", i);
    check(rows[i].at("id") == expected[i].at("id"), where, ": id ", rows[i].at("id").dump(), ", expected ",
          expected[i].at("id").dump());
    comparison.compare(rows[i].at("results"), expected[i].at("results"), where);
  }
  return {true, text("vilt ", command, ": ", rows.size(), " queries, ", comparison.count(), " values, at most ",
                     comparison.worst(), " off, ", comparison.worst() / kTolerance, " of the bound")};
}

}  // namespace tessera::golden

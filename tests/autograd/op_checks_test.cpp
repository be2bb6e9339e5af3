#include "autograd/op_checks.h"

#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <set>
#include <string>

namespace tessera::op_checks_test {
namespace {

// The functions that autograd/functions.h declares, with the number of their overloads. A declaration is a line that
// begins with its result type.
std::map<std::string, int> declared_functions() {
  std::ifstream file(TESSERA_SOURCE_DIR "/autograd/functions.h");
  REQUIRE(file);
  std::map<std::string, int> found;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("inline ")) line.erase(0, 7);
    const size_t space = line.find(' '), parenthesis = line.find('(');
    if (space == std::string::npos || parenthesis == std::string::npos || parenthesis < space) continue;
    const std::string result = line.substr(0, space), name = line.substr(space + 1, parenthesis - space - 1);
    static const std::set<std::string> results{"Variable", "AddLayerNorm", "Gru", "std::vector<Variable>"};
    if (results.contains(result)) ++found[name];
  }
  return found;
}

}  // namespace

TEST_CASE("op checks: every function of functions.h has its checks") {
  std::map<std::string, int> checks;
  for (const OpCheck& check : all_op_checks()) ++checks[check.name];
  const std::map<std::string, int> declared = declared_functions();
  CHECK(declared.size() >= 40);  // the pattern still finds them
  for (const auto& [name, overloads] : declared) {
    CAPTURE(name);
    CHECK(checks.contains(name));
  }
  for (const auto& [name, count] : checks) {
    CAPTURE(name);
    CHECK(declared.contains(name));
  }
}

TEST_CASE("op checks: all pass, and each has a title of its own") {
  std::set<std::string> titles;
  for (const OpCheck& check : all_op_checks(7)) {
    const std::string title = check.name + ": " + check.variant;
    CAPTURE(title);
    CHECK(titles.insert(title).second);
    const GradcheckReport report = check.run();
    CHECK_MESSAGE(report.ok, report.message());
  }
}

TEST_CASE("op checks: an error in the gradient of any input of any check is found, and blamed on that input") {
  std::set<std::string> caught;
  for (const OpCheck& check : all_op_checks(3)) {
    const std::string title = check.name + ": " + check.variant;
    CAPTURE(title);
    for (const size_t input : inputs_with_gradient(check)) {
      CAPTURE(input);
      for (const PlantedError error : {PlantedError::scaled, PlantedError::dropped}) {
        const GradcheckReport report = with_planted_error(check, input, error).run();
        CHECK_FALSE(report.ok);
        for (const GradcheckFailure& failure : report.failures) CHECK(failure.input == input);
      }
      caught.insert(check.name);
    }
  }
  // No op is left whose every input was skipped.
  for (const auto& [name, overloads] : declared_functions()) {
    CAPTURE(name);
    CHECK(caught.contains(name));
  }
}

TEST_CASE("op checks: a planted error needs an input that exists") {
  CHECK_THROWS_WITH(with_planted_error(all_op_checks().front(), 9, PlantedError::scaled),
                    "planted error: add has no input 9");
}

TEST_CASE("op checks: inputs are a function of the seed") {
  const auto first_value = [](uint64_t seed) { return all_op_checks(seed).front().inputs[0].to_vector<double>()[0]; };
  CHECK(first_value(1) == first_value(1));
  CHECK(first_value(1) != first_value(2));
}

}  // namespace tessera::op_checks_test

#include "nn/state_differences.h"

#include <algorithm>

namespace tessera {
namespace {

using Kind = StateDifference::Kind;
using State = std::map<std::string, Tensor>;
using Beginnings = std::pair<std::string, std::string>;  // in the file, in the model

constexpr size_t kShown = 10;

// The whole parts that all names begin with: "vilt.encoder." of vilt.encoder.layer.0.… and vilt.encoder.last.
std::string common_beginning(const std::vector<std::string_view>& names) {
  std::string_view common = names.front();
  for (const std::string_view name : names)
    common =
        common.substr(0, std::mismatch(common.begin(), common.end(), name.begin(), name.end()).first - common.begin());
  return std::string(common.substr(0, common.rfind('.') + 1));
}

std::string summary(const std::vector<StateDifference>& differences, size_t expected) {
  std::string out;
  size_t lacking = 0;
  for (const auto& [kind, one, many] : {std::tuple{Kind::missing, "is missing", "are missing"},
                                        std::tuple{Kind::unexpected, "is unexpected", "are unexpected"},
                                        std::tuple{Kind::shape, "has another shape", "have other shapes"},
                                        std::tuple{Kind::type, "has another type", "have other types"}}) {
    std::vector<std::string_view> names;
    for (const StateDifference& difference : differences)
      if (difference.kind == kind) names.push_back(difference.name);
    if (names.empty()) continue;
    if (kind != Kind::unexpected) lacking += names.size();
    out += text(out.empty() ? "" : "; ", names.size(), ' ', names.size() == 1 ? one : many);
    const std::string common = common_beginning(names);
    if (names.size() > 1 && !common.empty()) out += text(", all '", common, "…'");
  }
  return text(out, "; ", expected - lacking, " of the model's ", expected, " tensors fit");
}

// The file's name and the model's for the same thing often differ in their beginning alone. Every unexpected name votes
// for the beginnings that remain before its longest end, in whole parts, that a missing tensor of this shape has, too.
std::string nearest_fit(const std::vector<StateDifference>& differences, const State& expected, const State& file) {
  std::map<std::string_view, std::vector<std::string_view>> missing_by_end;
  const auto for_each_end = [](std::string_view name, const auto& handle) {
    for (size_t start = 0; start < name.size(); start = std::min(name.find('.', start), name.size() - 1) + 1)
      if (handle(start)) return;
  };
  for (const StateDifference& difference : differences)
    if (difference.kind == Kind::missing)
      for_each_end(difference.name, [&](size_t start) {
        missing_by_end[std::string_view(difference.name).substr(start)].push_back(difference.name);
        return false;
      });
  std::map<Beginnings, size_t> votes;
  for (const StateDifference& difference : differences) {
    if (difference.kind != Kind::unexpected) continue;
    const std::string_view name = difference.name;
    for_each_end(name, [&](size_t start) {
      const auto found = missing_by_end.find(name.substr(start));
      if (found == missing_by_end.end()) return false;
      for (const std::string_view other : found->second)
        if (expected.at(std::string(other)).shape() == file.at(difference.name).shape())
          ++votes[{std::string(name.substr(0, start)),
                   std::string(other.substr(0, other.size() + start - name.size()))}];
      return true;
    });
  }
  const auto best =
      std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (best == votes.end() || best->second < 2) return "";
  const auto& [in_file, in_model] = best->first;
  const std::string change = in_model.empty()  ? text("without '", in_file, "' before them")
                             : in_file.empty() ? text("with '", in_model, "' before them")
                                               : text("with '", in_model, "' for '", in_file, "' at their beginning");
  return text("\n  nearest: ", best->second, " of the file's names fit ", change);
}

// At most ten; where there are many of both, as many of what is unexpected as of the rest.
std::string some_lines(const std::vector<StateDifference>& differences) {
  const auto count_unexpected =
      static_cast<size_t>(std::count_if(differences.begin(), differences.end(), [](const StateDifference& difference) {
        return difference.kind == Kind::unexpected;
      }));
  const size_t others = differences.size() - count_unexpected;
  const size_t of_unexpected = std::min(count_unexpected, std::max(kShown / 2, kShown - std::min(kShown, others)));
  const size_t of_others = std::min(others, kShown - of_unexpected);
  std::string out;
  size_t unexpected = 0, other = 0;
  for (const StateDifference& difference : differences) {
    const bool is_unexpected = difference.kind == Kind::unexpected;
    size_t& shown = is_unexpected ? unexpected : other;
    if (shown++ < (is_unexpected ? of_unexpected : of_others)) out += "\n  " + difference.line;
  }
  if (differences.size() > kShown) out += text("\n  … and ", differences.size() - of_unexpected - of_others, " more");
  return out;
}

}  // namespace

std::string describe_differences(const std::map<std::string, Tensor>& expected,
                                 const std::map<std::string, Tensor>& file) {
  std::vector<StateDifference> differences = state_differences(expected, file);
  if (differences.empty()) return "";
  // Shapes and types that differ are few, and tell more than names.
  std::stable_partition(differences.begin(), differences.end(), [](const StateDifference& difference) {
    return difference.kind == Kind::shape || difference.kind == Kind::type;
  });
  return "\n  " + summary(differences, expected.size()) + nearest_fit(differences, expected, file) +
         some_lines(differences);
}

}  // namespace tessera

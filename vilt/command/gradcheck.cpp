#include "vilt/command/gradcheck.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iomanip>
#include <vector>

#include "autograd/device_checks.h"
#include "autograd/op_checks.h"

namespace tessera {
namespace {

// With `plant`, checks on which an error cannot show (no elements) are left out.
std::vector<OpCheck> matching_checks(const std::string& filter, uint64_t seed, bool plant) {
  std::vector<OpCheck> chosen;
  std::vector<std::string> names;
  for (OpCheck& check : all_op_checks(seed)) {
    if (names.empty() || names.back() != check.name) names.push_back(check.name);
    if (check.name.find(filter) == std::string::npos) continue;
    if (!plant) {
      chosen.push_back(std::move(check));
    } else if (const std::vector<size_t> inputs = inputs_with_gradient(check); !inputs.empty()) {
      chosen.push_back(with_planted_error(check, inputs.front(), PlantedError::scaled));
    }
  }
  if (chosen.empty()) {
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    fail("gradcheck: no op's name contains \"", filter, "\"; there are ", list);
  }
  return chosen;
}

std::string shapes(const OpCheck& check) {
  std::string out;
  for (const Tensor& input : check.inputs) out += text(out.empty() ? "" : " ", input.shape());
  return out;
}

// Column widths that fit the longest entries.
struct Widths {
  int name = 2, variant = 8, inputs = 6;

  explicit Widths(const std::vector<OpCheck>& checks) {
    for (const OpCheck& check : checks) {
      name = std::max(name, static_cast<int>(check.name.size()));
      variant = std::max(variant, static_cast<int>(check.variant.size()));
      inputs = std::max(inputs, static_cast<int>(shapes(check).size()));
    }
  }
  void print(std::ostream& out, const std::string& a, const std::string& b, const std::string& c) const {
    out << std::left << std::setw(name + 2) << a << std::setw(variant + 2) << b << std::setw(inputs + 2) << c
        << std::right;
  }
};

std::string indented(const std::string& lines) {
  std::string out = "    ";
  for (size_t i = 0; i < lines.size(); ++i) {
    out += lines[i];
    if (lines[i] == '\n' && i + 1 < lines.size()) out += "    ";
  }
  return out;
}

struct Row {
  int64_t compared = 0;
  double of_bound = 0;
  bool ok = false;
  std::string remarks;
  int64_t kinks = 0;
};

// A line for each check, which `run` makes; 1 if one failed.
template <class Run>
int print_table(std::ostream& out, const std::vector<OpCheck>& checks, const char* what, const Run& run) {
  const auto start = std::chrono::steady_clock::now();
  const Widths widths(checks);
  out << '\n';
  widths.print(out, "op", "case", "inputs");
  out << "compared   of bound\n";
  int64_t compared = 0, failed = 0, kinks = 0;
  for (const OpCheck& check : checks) {
    const Row row = run(check);
    compared += row.compared;
    failed += !row.ok;
    kinks += row.kinks;
    widths.print(out, check.name, check.variant, shapes(check));
    out << std::setw(8) << row.compared << "   " << std::setw(8) << std::setprecision(2) << row.of_bound
        << (row.ok ? "   ok\n" : "   FAILED\n");
    if (!row.remarks.empty()) out << indented(row.remarks) << (row.remarks.ends_with('\n') ? "" : "\n");
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  out << '\n'
      << checks.size() << " checks, " << compared << ' ' << what << " compared, " << failed << " failed"
      << (kinks > 0 ? text(", ", kinks, kinks == 1 ? " kink (" : " kinks (") : " (") << std::setprecision(2) << seconds
      << " s)\n";
  return failed > 0 ? 1 : 0;
}

}  // namespace

int run_gradcheck_table(std::ostream& out, const std::string& filter, uint64_t seed, bool plant, bool exhaustive) {
  std::vector<OpCheck> checks = matching_checks(filter, seed, plant);
  for (OpCheck& check : checks) check.options.exhaustive = exhaustive;
  out << "backward against central differences in f64, seed " << seed << "; bound: " << GradcheckOptions{}.relative
      << " of each gradient or of a tenth of the input's largest\n";
  if (plant) out << "with an error of 1 % planted into one gradient of each: every check should fail\n";
  size_t sampled = 0;
  double found_from = 0;
  const int status = print_table(out, checks, "derivatives", [&](const OpCheck& check) {
    const GradcheckReport report = check.run();
    for (const GradcheckSample& sample : report.samples) {
      ++sampled;
      if (sample.root_mean_square > 0)
        found_from = std::max(found_from, sample.smallest_error / sample.root_mean_square);
    }
    return Row{report.checked, report.worst_fraction, report.ok,
               plant || report.ok ? report.kinks_message() : report.message(), report.kinks};
  });
  if (sampled > 0)
    out << "along random directions" << (sampled == 1 ? "" : text(", of ", sampled, " inputs"))
        << ": an error in one element is found from " << std::setprecision(2) << found_from
        << " of the gradient's root mean square on;\n--exhaustive compares every element\n";
  return status;
}

int run_device_table(std::ostream& out, const std::string& filter, uint64_t seed, Device device) {
  const std::vector<OpCheck> checks = matching_checks(filter, seed, false);
  out << "outputs and gradients on " << device << " in f32 against the CPU's in f64, seed " << seed
      << "; bound: 1e-05 of the tensor's largest value\n";
  return print_table(out, checks, "numbers", [&](const OpCheck& check) {
    try {
      const DeviceCheckReport report = compare_with_cpu(check, device);
      return Row{report.compared, report.worst_fraction, report.ok(), report.ok() ? "" : report.worst};
    } catch (const Error& error) {
      return Row{0, INFINITY, false, error.what()};
    }
  });
}

}  // namespace tessera

#include "tests/golden/compare.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "tests/golden/device.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

double largest_magnitude(const Tensor& t) {
  double largest = 0;
  for (const double value : t.to(DType::f64).to_vector<double>()) largest = std::max(largest, std::abs(value));
  return largest;
}

// A NaN on either side counts as infinitely far.
double largest_difference(const Tensor& a, const Tensor& b) {
  const std::vector<double> u = a.to(DType::f64).to_vector<double>(), v = b.to(DType::f64).to_vector<double>();
  double largest = 0;
  for (size_t i = 0; i < u.size(); ++i) {
    const double difference = std::abs(u[i] - v[i]);
    largest = std::isnan(difference) ? INFINITY : std::max(largest, difference);
  }
  return largest;
}

std::string number(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof(buffer), "%.2g", value);
  return buffer;
}

}  // namespace

Comparison::Comparison(const std::filesystem::path& directory) {
  const std::filesystem::path own = std::filesystem::absolute(directory).lexically_normal();
  const std::filesystem::path folder = own.has_filename() ? own : own.parent_path();
  const auto read = [this](const nlohmann::json& tensors) {
    for (const auto& item : tensors.items()) f32_errors_[item.key()] = item.value().at("max_abs_err").get<double>();
  };
  const std::filesystem::path of_case = folder / "f32_errors.json", file = folder.parent_path() / "f32_errors.json";
  if (std::filesystem::exists(of_case)) read(read_json(of_case));
  if (std::filesystem::exists(of_case) || !std::filesystem::exists(file)) return;
  const nlohmann::json all = read_json(file);
  const std::string key = folder.filename().string() + "/case.safetensors";
  if (all.contains(key)) read(all.at(key));
}

double Comparison::bound_for(const std::string& name, const Tensor& expected, DType dtype) const {
  if (dtype == DType::i64) return 0;
  const double largest = largest_magnitude(expected);
  const bool vanishes = largest < 1e-12;
  if (dtype == DType::f64) return vanishes ? 1e-12 : 1e-10 * largest;
  const auto measured = f32_errors_.find(name);
  const double bound = std::max(1e-6 * largest, measured == f32_errors_.end() ? 0.0 : 4 * measured->second);
  return (on_gpu() ? 4 : 1) * (vanishes ? std::max(bound, 1e-7) : bound);
}

void Comparison::compare(const std::string& name, const Tensor& actual, const Tensor& expected) {
  compare_within(name, actual, expected, actual.defined() ? bound_for(name, expected, actual.dtype()) : 0);
}

void Comparison::compare_within(const std::string& name, const Tensor& actual, const Tensor& expected, double bound) {
  const bool comparable = actual.defined() && actual.shape() == expected.shape();
  const double difference = comparable ? largest_difference(actual.to(Device{}), expected) : 0;
  const bool ok = comparable && difference <= bound;
  Worst& worst = worst_[actual.defined() ? name_of(actual.dtype()) : "undefined"];
  ++worst.tensors;
  if (comparable) {
    const double fraction = difference == 0 ? 0 : difference / bound;
    if (fraction > worst.fraction) worst = {worst.tensors, fraction, name};
  }
  if (ok || ++failed_ > 8) return;
  const std::string what = comparable ? text("differs by ", number(difference), ", bound ", number(bound))
                                      : text("is ", describe(actual), ", expected ", describe(expected));
  failures_ +=
      text(failures_.empty() ? "" : "; ", actual.defined() ? name_of(actual.dtype()) : "", ' ', name, ' ', what);
}

Outcome Comparison::outcome() const {
  if (failed_ > 0) return {false, text(failed_, " tensors differ: ", failures_)};
  std::string detail;
  for (const auto& [dtype, worst] : worst_)
    detail += text(detail.empty() ? "" : "; ", dtype, ": ", worst.tensors, " tensors, at most ", number(worst.fraction),
                   " of the bound (", worst.name, ')');
  return {!worst_.empty(), worst_.empty() ? "nothing was compared" : detail};
}

}  // namespace tessera::golden

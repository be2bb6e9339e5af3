// ipot: cosine cost, transport plans and distances with their gradients (the plan being a constant), for every case,
// beta and number of iterations that the names in case.safetensors give. The reference pads its samples; here they are
// ragged, so that the padded rows are left out before and put back as zeros after.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "autograd/functions.h"
#include "io/safetensors.h"
#include "tensor/ops/ipot.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"

namespace tessera::golden {
namespace {

struct Setting {
  std::string name;  // "b0.5_50"
  double beta;
  int64_t iterations;
};

// What stands between the first and the last dot of CASE.bBETA_ITERATIONS.plan.
Setting parse_setting(const std::string& name) {
  const size_t split = name.find('_');
  check(name.size() > 1 && name[0] == 'b' && split != std::string::npos, "ipot: ", name, " is not bBETA_ITERATIONS");
  return {name, std::stod(name.substr(1, split - 1)), std::stoll(name.substr(split + 1))};
}

// Rows whose padding flag is 0.
std::vector<int64_t> real_rows(const Tensor& padding) {
  std::vector<int64_t> rows;
  const std::vector<int64_t> flags = padding.to_vector<int64_t>();
  for (size_t i = 0; i < flags.size(); ++i)
    if (flags[i] == 0) rows.push_back(static_cast<int64_t>(i));
  return rows;
}

// values [rows, columns] at the named places of a tensor of zeros.
Tensor spread(const Tensor& computed, const std::vector<int64_t>& rows, const std::vector<int64_t>& columns,
              const Shape& shape) {
  const Tensor values = computed.to(Device{});
  Tensor full = Tensor::zeros(shape, values.dtype());
  for (size_t i = 0; i < rows.size(); ++i)
    for (size_t j = 0; j < columns.size(); ++j)
      full.select(0, rows[i])
          .select(0, columns[j])
          .copy_(values.select(0, static_cast<int64_t>(i)).select(0, static_cast<int64_t>(j)));
  return full;
}

void run_case(const SafeTensors& file, const std::string& number, const std::set<std::string>& settings, DType dtype,
              Comparison& comparison) {
  const std::string prefix = number + ".";
  const Tensor x = file.at(prefix + "x").to(dtype).to(computed_on), y = file.at(prefix + "y").to(dtype).to(computed_on);
  const std::vector<int64_t> words = real_rows(file.at(prefix + "x_pad")),
                             patches = real_rows(file.at(prefix + "y_pad"));
  const int64_t m = static_cast<int64_t>(words.size()), n = static_cast<int64_t>(patches.size());
  const Tensor cu_x = Tensor::from(std::vector<int64_t>{0, m}), cu_y = Tensor::from(std::vector<int64_t>{0, n});
  const Shape padded{x.size(0), y.size(0)};

  for (const std::string& name : settings) {
    const Setting setting = parse_setting(name);
    const auto compare = [&](const std::string& what, const Tensor& actual) {
      const std::string full = prefix + setting.name + "." + what;
      comparison.compare(full, actual, file.at(full));
    };
    const Variable word_rows(x, true), patch_rows(y, true);
    const Variable cost = cosine_cost(gather_rows({word_rows}, Tensor::from(words)),
                                      gather_rows({patch_rows}, Tensor::from(patches)), cu_x, cu_y);
    const Tensor plan = ops::ipot(cost.value(), cu_x, cu_y, setting.beta, setting.iterations);
    const Variable distance = sum(transport_distance(cost, plan, cu_x, cu_y));
    distance.backward();
    const Variable leaf(cost.value(), true);
    sum(transport_distance(leaf, plan, cu_x, cu_y)).backward();

    comparison.compare(prefix + "cost", spread(cost.value().view({m, n}), words, patches, padded),
                       file.at(prefix + "cost"));
    compare("plan", spread(plan.view({m, n}), words, patches, padded).transpose(0, 1));
    compare("distance", distance.value());
    compare("dcost", spread(leaf.grad().view({m, n}), words, patches, padded));
    compare("dx", word_rows.grad());
    compare("dy", patch_rows.grad());
  }
}

}  // namespace

Outcome run_ipot(const std::filesystem::path& directory) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  std::map<std::string, std::set<std::string>> cases;
  for (const auto& item : file.tensors) {
    const std::string& name = item.first;
    const size_t first = name.find('.'), last = name.rfind('.');
    if (first < last && name.substr(last + 1) == "plan")
      cases[name.substr(0, first)].insert(name.substr(first + 1, last - first - 1));
  }
  Comparison comparison(directory);
  for (const auto& [number, settings] : cases)
    for (const DType dtype : computed_dtypes()) run_case(file, number, settings, dtype, comparison);
  return comparison.outcome();
}

}  // namespace tessera::golden

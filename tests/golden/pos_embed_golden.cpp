// pos_embed: the patches' position embeddings interpolated to every grid that the names in case.safetensors give
// ("12x19.out"), and the gradient of the table.
#include <cmath>
#include <string>

#include "autograd/functions.h"
#include "io/safetensors.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"
#include "vilt/input/position_taps.h"

namespace tessera::golden {
namespace {

void run_grid(const SafeTensors& file, const std::string& grid, DType dtype, Comparison& comparison) {
  const size_t split = grid.find('x');
  check(split != std::string::npos, "pos_embed: ", grid, " is not ROWSxCOLUMNS");
  const int rows = std::stoi(grid.substr(0, split)), columns = std::stoi(grid.substr(split + 1));
  const Tensor table = file.at("table");  // [1, 1 + side², d]
  const int side = static_cast<int>(std::lround(std::sqrt(static_cast<double>(table.size(1) - 1))));
  const PositionTaps taps = position_taps(side, rows, columns);
  const Shape shape{static_cast<int64_t>(rows) * columns, 4};
  const Variable leaf(table.select(0, 0).to(dtype).to(computed_on).contiguous(), true);
  const Variable out =
      interpolate_rows(leaf, Tensor::from(taps.index, shape), Tensor::from(taps.weight, shape).to(dtype));
  out.backward(file.at(grid + ".dout").to(dtype).to(computed_on));
  comparison.compare(grid + ".out", out.value(), file.at(grid + ".out"));
  comparison.compare(grid + ".dtable", leaf.grad().unsqueeze(0), file.at(grid + ".dtable"));
}

}  // namespace

Outcome run_pos_embed(const std::filesystem::path& directory) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  Comparison comparison(directory);
  for (const auto& item : file.tensors) {
    const size_t end = item.first.rfind(".out");
    if (end == std::string::npos) continue;
    for (const DType dtype : computed_dtypes()) run_grid(file, item.first.substr(0, end), dtype, comparison);
  }
  return comparison.outcome();
}

}  // namespace tessera::golden

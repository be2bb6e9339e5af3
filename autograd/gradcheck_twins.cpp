#include "autograd/gradcheck_twins.h"

#include <algorithm>
#include <limits>

namespace tessera::gradcheck_detail {
namespace {

// What lies between the elements: whoever reads it has NaN in its results.
constexpr double kGap = std::numeric_limits<double>::quiet_NaN();

Tensor filled(Tensor view, const Tensor& x) {
  view.copy_(x);
  return view;
}

Tensor strided(const Tensor& x) {
  Shape twice = x.shape();
  twice.push_back(2);
  return filled(Tensor::full(twice, kGap, x.dtype()).select(-1, 1), x);
}

Tensor transposed(const Tensor& x) {
  std::vector<int> order;
  for (int d = x.dim() - 1; d >= 0; --d) order.push_back(d);
  return x.permute(order).clone().permute(order);
}

Tensor padded(const Tensor& x) {
  Shape wider = x.shape();
  ++wider[x.dim() - 1];
  return filled(Tensor::full(wider, kGap, x.dtype()).narrow(-1, 0, x.size(-1)), x);
}

}  // namespace

std::string Twin::name(size_t input) const {
  return text("with the ", layout, " twin of input ", input, dimension < 0 ? "" : text(" along dimension ", dimension));
}

std::vector<Twin> twins_of(const Tensor& x) {
  std::vector<Twin> twins;
  if (x.numel() == 0) return twins;
  const auto larger_than_one = std::count_if(x.shape().begin(), x.shape().end(), [](int64_t size) { return size > 1; });
  if (!x.is_contiguous()) twins.push_back({"contiguous", x.contiguous()});
  if (x.dim() < Shape::kMaxDims) twins.push_back({"strided", strided(x)});
  if (larger_than_one > 1) twins.push_back({"transposed", transposed(x)});
  if (x.dim() > 1 && x.numel() > x.size(-1)) twins.push_back({"padded", padded(x)});
  const std::vector<double> values = x.to_vector<double>();
  for (int d = 0; d < x.dim(); ++d) {
    if (x.size(d) == 1) continue;
    const Tensor expanded = x.narrow(d, 0, 1).expand(x.shape());
    twins.push_back({"expanded", expanded, d, expanded.to_vector<double>() == values});
  }
  return twins;
}

}  // namespace tessera::gradcheck_detail

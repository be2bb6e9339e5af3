// Gradient checks of convolution, pooling and batch normalisation.
#include "autograd/functions.h"
#include "autograd/op_check_list.h"

namespace tessera::detail {
namespace {

void add_convolution_checks(OpCheckList& list) {
  const auto with_bias = [](const Conv2dSettings& settings) {
    return [settings](Inputs x) { return conv2d(x[0], x[1], x[2], settings); };
  };
  const auto without = [](const Conv2dSettings& settings) {
    return [settings](Inputs x) { return conv2d(x[0], x[1], {}, settings); };
  };
  list.add("conv2d", "", with_bias({}), {list.normal({2, 3, 5, 4}), list.normal({4, 3, 3, 2}), list.normal({4})});
  list.add("conv2d", "sides that differ, strided", with_bias({{2, 1}, {1, 3}, {3, 2}}),
           {list.strided({1, 2, 8, 5}), list.strided({3, 2, 2, 4}), list.normal({3})});
  list.add("conv2d", "one by one", without({}), {list.normal({2, 3, 3, 3}), list.normal({5, 3, 1, 1})});
  list.add("conv2d", "one by one, stride 2", with_bias({.stride = 2}),
           {list.normal({1, 3, 5, 4}), list.normal({2, 3, 1, 1}), list.normal({2})});
  list.add("conv2d", "groups", with_bias({.padding = 1, .groups = 2}),
           {list.normal({1, 4, 4, 3}), list.normal({6, 2, 3, 3}), list.normal({6})});
  list.add("conv2d", "depthwise", with_bias({.stride = 2, .padding = 1, .groups = 3}),
           {list.normal({2, 3, 4, 5}), list.normal({6, 1, 3, 3}), list.normal({6})});
  list.add("conv2d", "more than a band", without({.padding = 1}),
           {list.normal({1, 2, 17, 17}), list.normal({3, 2, 3, 3})});
  list.add("conv2d", "more rows of columns than a step", without({}),
           {list.normal({1, 17, 3, 4}), list.normal({2, 17, 3, 3})});
  list.add("conv2d", "no images", with_bias({}),
           {list.normal({0, 2, 3, 3}), list.normal({2, 2, 2, 2}), list.normal({2})});
}

void add_pooling_checks(OpCheckList& list) {
  const Pool2dSettings resnet{.kernel = 3, .stride = 2, .padding = 1};
  const Pool2dSettings ceil{.kernel = {3, 2}, .stride = {2, 3}, .padding = {1, 0}, .ceil_mode = true};
  const Pool2dSettings inside{.kernel = 3, .stride = 2, .padding = 1, .ceil_mode = true, .count_padding = false};
  const auto largest = [](const Pool2dSettings& s) { return [s](Inputs x) { return max_pool2d(x[0], s); }; };
  const auto average = [](const Pool2dSettings& s) { return [s](Inputs x) { return avg_pool2d(x[0], s); }; };
  const auto adaptive = [](Size2d size) { return [size](Inputs x) { return adaptive_avg_pool2d(x[0], size); }; };
  list.add("max_pool2d", "", largest(resnet), {list.normal({2, 2, 5, 6})});
  list.add("max_pool2d", "kernel as stride, strided", largest({.kernel = 2}), {list.strided({1, 2, 5, 4})});
  list.add("max_pool2d", "rounded up", largest(ceil), {list.normal({1, 2, 6, 7})});
  list.add("max_pool2d", "dilated", largest({.kernel = 2, .stride = 1, .dilation = {2, 1}}),
           {list.normal({1, 2, 4, 3})});
  list.add("avg_pool2d", "", average(resnet), {list.normal({2, 2, 5, 6})});
  list.add("avg_pool2d", "kernel as stride, strided", average({.kernel = 2}), {list.strided({1, 2, 5, 4})});
  list.add("avg_pool2d", "rounded up", average(ceil), {list.normal({1, 2, 6, 7})});
  list.add("avg_pool2d", "rounded up, padding does not count", average(inside), {list.normal({1, 2, 6, 5})});
  list.add("adaptive_avg_pool2d", "to one", adaptive(1), {list.normal({2, 2, 3, 4})});
  list.add("adaptive_avg_pool2d", "windows that overlap, strided", adaptive({3, 2}), {list.strided({1, 2, 7, 5})});
  list.add("adaptive_avg_pool2d", "to more", adaptive({4, 5}), {list.normal({1, 2, 3, 4})});
}

void add_batch_norm_checks(OpCheckList& list) {
  const auto of_batch = [](Inputs x) { return batch_norm(x[0], x[1], x[2], 1e-3); };
  list.add("batch_norm", "", of_batch, {list.normal({3, 2, 3, 2}), list.normal({2}), list.normal({2})});
  list.add("batch_norm", "two dimensions, strided", of_batch,
           {list.strided({7, 3}), list.normal({3}), list.normal({3})});
  list.add("batch_norm", "large planes", of_batch, {list.normal({2, 1, 23, 47}), list.normal({1}), list.normal({1})});
  const auto given = [mean = list.normal({2}), variance = list.uniform({2}, 0.5, 2)](Inputs x) {
    const auto there = [&x](const Tensor& t) { return t.to(x[1].dtype()).to(x[1].value().device()); };
    return batch_norm(x[0], x[1], x[2], RunningStatistics{there(mean), there(variance)}, 1e-3);
  };
  list.add("batch_norm", "given statistics, strided", given,
           {list.strided({3, 2, 3, 2}), list.normal({2}), list.normal({2})});
}

}  // namespace

void add_picture_checks(OpCheckList& list) {
  add_convolution_checks(list);
  add_pooling_checks(list);
  add_batch_norm_checks(list);
}

}  // namespace tessera::detail

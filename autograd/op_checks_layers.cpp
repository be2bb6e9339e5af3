// Gradient checks of matrix products, normalisation, dropout and rows of tables.
#include "autograd/functions.h"
#include "autograd/op_check_list.h"

namespace tessera::detail {
namespace {

void add_matmul_checks(OpCheckList& list) {
  const auto product = [](Inputs x) { return matmul(x[0], x[1]); };
  list.add("matmul", "", product, {list.normal({3, 5}), list.normal({5, 2})});
  list.add("matmul", "transposed views", product, {list.strided({3, 5}), list.strided({5, 2})});
  list.add("matmul", "batched, broadcast", product, {list.normal({2, 1, 3, 4}), list.normal({3, 4, 2})});
  list.add("matmul", "batched, strided", product, {list.strided({2, 3, 4}), list.strided({2, 4, 5})});
  list.add("matmul", "one by one", product, {list.normal({1, 1}), list.normal({1, 1})});
  list.add("matmul", "inner size 0", product, {list.normal({2, 0}), list.normal({0, 3})});
  list.add("matmul", "larger than a tile", product, {list.normal({67, 33}), list.normal({33, 41})});
}

void add_linear_checks(OpCheckList& list) {
  using Linear = Variable (*)(const Variable&, const Variable&, const Variable&);
  const std::pair<const char*, Linear> ops[] = {{"linear", linear}, {"linear_gelu", linear_gelu}};
  for (const auto& [name, op] : ops) {
    const auto with_bias = [op = op](Inputs x) { return op(x[0], x[1], x[2]); };
    list.add(name, "", with_bias, {list.normal({4, 5}), list.normal({3, 5}), list.normal({3})});
    list.add(name, "three dimensions, strided", with_bias,
             {list.strided({2, 3, 5}), list.strided({7, 5}), list.normal({7})});
    list.add(name, "without bias", [op = op](Inputs x) { return op(x[0], x[1], {}); },
             {list.normal({4, 5}), list.normal({3, 5})});
    list.add(name, "no rows", with_bias, {list.normal({0, 5}), list.normal({3, 5}), list.normal({3})});
    list.add(name, "many rows", with_bias, {list.normal({131, 17}), list.normal({33, 17}), list.normal({33})});
  }
}

void add_mlp_checks(OpCheckList& list) {
  const Ticket ticket = list.ticket();
  const auto with_dropout = [ticket](double p) {
    return [p, ticket](Inputs x) { return mlp(x[0], x[1], x[2], x[3], x[4], p, ticket); };
  };
  list.add("mlp", "", with_dropout(0),
           {list.normal({4, 5}), list.normal({7, 5}), list.normal({7}), list.normal({3, 7}), list.normal({3})});
  list.add("mlp", "p 0.4, three dimensions, strided", with_dropout(0.4),
           {list.strided({2, 3, 5}), list.strided({7, 5}), list.normal({7}), list.strided({3, 7}), list.normal({3})});
  list.add("mlp", "without biases", [ticket](Inputs x) { return mlp(x[0], x[1], {}, x[2], {}, 0.1, ticket); },
           {list.normal({4, 5}), list.normal({6, 5}), list.normal({5, 6})});
  for (const auto& [activation, variant] :
       {std::pair{Activation::quick_gelu, "quick_gelu, p 0.4"}, std::pair{Activation::relu, "relu, p 0.4"}})
    list.add("mlp", variant,
             [ticket, f = activation](Inputs x) { return mlp(x[0], x[1], x[2], x[3], x[4], 0.4, ticket, f); },
             {list.normal({6, 5}), list.normal({9, 5}), list.normal({9}), list.normal({3, 9}), list.normal({3})});
  list.add("mlp", "no rows", with_dropout(0.1),
           {list.normal({0, 5}), list.normal({7, 5}), list.normal({7}), list.normal({3, 7}), list.normal({3})});
  list.add("mlp", "many rows", with_dropout(0.1),
           {list.normal({67, 9}), list.normal({33, 9}), list.normal({33}), list.normal({9, 33}), list.normal({9})});
}

void add_normalisation_checks(OpCheckList& list) {
  constexpr double kEps = 1e-6;
  const auto norm = [](Inputs x) { return layer_norm(x[0], x[1], x[2], kEps); };
  list.add("layer_norm", "", norm, {list.normal({4, 7}), list.normal({7}), list.normal({7})});
  list.add("layer_norm", "three dimensions, strided", norm,
           {list.strided({2, 3, 5}), list.normal({5}), list.normal({5})});
  list.add("layer_norm", "no rows", norm, {list.normal({0, 5}), list.normal({5}), list.normal({5})});
  list.add("layer_norm", "many rows", norm, {list.normal({131, 40}), list.normal({40}), list.normal({40})});
  // A constant row would have the slope 1 / sqrt(eps): a large eps makes it checkable.
  list.add("layer_norm", "rows of one and two",
           [](Inputs x) {
             return concatenate({layer_norm(x[0], x[1], x[1], 0.5), layer_norm(x[2], x[3], x[3], 0.5)}, -1);
           },
           {list.normal({3, 1}), list.normal({1}), list.normal({3, 2}), list.normal({2})});

  const auto unit = [](double eps) { return [eps](Inputs x) { return l2_normalise(x[0], eps); }; };
  list.add("l2_normalise", "plain norm", unit(0), {list.normal({5, 7})});
  list.add("l2_normalise", "strided, packs of four", unit(1e-12), {list.strided({2, 3, 8})});
  list.add("l2_normalise", "norms below the floor and above", unit(2), {list.uniform({9, 6}, 0.1, 1.5)});
  list.add("l2_normalise", "rows of one", [](Inputs x) { return l2_normalise(x[0]) * x[0]; }, {list.normal({4, 1})});
}

void add_dropout_checks(OpCheckList& list) {
  const Ticket ticket = list.ticket();
  list.add("dropout", "p 0.4", [ticket](Inputs x) { return dropout(x[0], 0.4, ticket); }, {list.normal({5, 7})});
  list.add("dropout", "strided", [ticket](Inputs x) { return dropout(x[0], 0.4, ticket); }, {list.strided({5, 7})});
  list.add("dropout", "p 0", [ticket](Inputs x) { return dropout(x[0], 0, ticket) * x[0]; }, {list.normal({5, 7})});

  const auto fused = [ticket](double p) {
    return [p, ticket](Inputs x) {
      const AddLayerNorm y = dropout_add_layer_norm(x[0], x[1], x[2], x[3], 1e-6, p, ticket);
      return std::vector<Variable>{y.sum, y.normalised};
    };
  };
  const char* name = "dropout_add_layer_norm";
  list.add_many(name, "p 0.4", fused(0.4),
                {list.normal({4, 7}), list.normal({4, 7}), list.normal({7}), list.normal({7})});
  list.add_many(name, "p 0, strided", fused(0),
                {list.strided({2, 3, 5}), list.strided({2, 3, 5}), list.normal({5}), list.normal({5})});
  list.add_many(name, "many rows", fused(0.1),
                {list.normal({131, 24}), list.normal({131, 24}), list.normal({24}), list.normal({24})});
  list.add(name, "normalised alone used",
           [ticket](Inputs x) { return dropout_add_layer_norm(x[0], x[1], x[2], x[3], 1e-6, 0.4, ticket).normalised; },
           {list.normal({4, 7}), list.normal({4, 7}), list.normal({7}), list.normal({7})});
  list.add(name, "sum alone used",
           [ticket](Inputs x) { return dropout_add_layer_norm(x[0], x[1], x[2], x[2], 1e-6, 0.4, ticket).sum; },
           {list.normal({4, 7}), list.normal({4, 7}), list.normal({7})});
}

void add_row_checks(OpCheckList& list) {
  const Tensor ids = Tensor::from(std::vector<int64_t>{2, 0, 2, 2, 4, 0}, {2, 3});  // row 1 and 3: never, row 2: often
  list.add("embedding", "repeated and unused rows", [ids](Inputs x) { return embedding(x[0], ids); },
           {list.normal({5, 3})});
  list.add("embedding", "strided table", [ids](Inputs x) { return embedding(x[0], ids); }, {list.strided({5, 3})});

  const auto gathered = [](const Tensor& index) {
    return [index](Inputs x) { return gather_rows({x.begin(), x.end()}, index); };
  };
  list.add("gather_rows", "three sources", gathered(indices({5, 2, 0, 2, 1, 6, 2})),
           {list.normal({2, 3}), list.normal({1, 3}), list.normal({4, 3})});
  list.add("gather_rows", "strided, an empty source", gathered(indices({3, 0, 3})),
           {list.strided({3, 2}), list.normal({0, 2}), list.strided({1, 2})});
  list.add("gather_rows", "no indices", gathered(indices({})), {list.normal({3, 2})});

  const Ticket ticket = list.ticket();
  const auto embedded = [ticket](double p, const Tensor& index, const Tensor& types) {
    return [=](Inputs x) {
      return embed_tokens({x.begin(), x.end() - 1}, index, x.back(), types, p, ticket, x.back().dtype());
    };
  };
  const Tensor tokens = indices({5, 2, 0, 2, 1, 6, 2}), types = indices({0, 2, 2, 0, 0, 2, 2});
  list.add("embed_tokens", "three sources, p 0.4", embedded(0.4, tokens, types),
           {list.normal({2, 5}), list.normal({1, 5}), list.normal({4, 5}), list.normal({3, 5})});
  list.add("embed_tokens", "strided, p 0", embedded(0, tokens, types), {list.strided({7, 2}), list.strided({3, 2})});
  list.add("embed_tokens", "the types' table is a source",
           [=](Inputs x) { return embed_tokens({x[0]}, types, x[0], types, 0.3, ticket, x[0].dtype()); },
           {list.normal({3, 5})});

  const Tensor taps = Tensor::from(std::vector<int64_t>{0, 1, 2, 3, 1, 1, 3, 3, 4, 0, 4, 0}, {3, 4});
  const Tensor weights = list.uniform({3, 4}, 0, 1);
  const auto interpolated = [=](Inputs x) { return interpolate_rows(x[0], taps, weights.to(x[0].dtype())); };
  list.add("interpolate_rows", "repeated rows", interpolated, {list.normal({5, 3})});
  list.add("interpolate_rows", "strided table", interpolated, {list.strided({5, 3})});
}

void add_region_checks(OpCheckList& list) {
  // Inside, across the border, beyond it, of no size, turned around, and the whole; image 1 has none of its own in the
  // middle of those of image 0.
  const Tensor rois = Tensor::from(std::vector<double>{0, 1.3, 2.1, 9.7, 8.2, 1, -3, -4, 5, 30, 0, 40, 40, 50, 50,
                                                       0, 4,   4,   4,   4,   0, 8,  8,  3, 2,  1, 0,  0,  14, 10},
                                   {6, 5});
  const auto aligned = [&rois](const ops::RoiAlignOptions& options) {
    return [=](Inputs x) { return roi_align(x[0], rois, options); };
  };
  list.add("roi_align", "points by size", aligned({.height = 3, .width = 2, .scale = 0.5}),
           {list.normal({2, 2, 5, 7})});
  list.add("roi_align", "points by size, aligned", aligned({.height = 2, .width = 3, .scale = 0.5, .aligned = true}),
           {list.normal({2, 2, 5, 7})});
  list.add("roi_align", "three points, aligned, strided",
           aligned({.height = 2, .width = 2, .scale = 0.25, .sampling = 3, .aligned = true}),
           {list.strided({2, 3, 4, 5})});
  const Tensor none = Tensor::empty({0, 5}, DType::f64);
  list.add("roi_align", "no regions", [none](Inputs x) { return sum(roi_align(x[0], none, {})) + sum(x[0]); },
           {list.normal({1, 2, 2, 3})});
  const auto pooled = [&rois](const ops::RoiPoolOptions& options) {
    return [=](Inputs x) { return roi_pool(x[0], rois, options); };
  };
  list.add("roi_pool", "", pooled({.height = 3, .width = 2, .scale = 0.5}), {list.normal({2, 2, 5, 7})});
  list.add("roi_pool", "strided, small bins", pooled({.height = 4, .width = 5, .scale = 0.25}),
           {list.strided({2, 3, 4, 5})});
}

}  // namespace

void add_layer_checks(OpCheckList& list) {
  add_matmul_checks(list);
  add_linear_checks(list);
  add_mlp_checks(list);
  add_normalisation_checks(list);
  add_dropout_checks(list);
  add_row_checks(list);
  add_region_checks(list);
}

}  // namespace tessera::detail

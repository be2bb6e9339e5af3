// Gradient checks of losses.
#include "autograd/functions.h"
#include "autograd/op_check_list.h"

namespace tessera::detail {
namespace {

void add_label_checks(OpCheckList& list) {
  for (const Reduction reduction : {Reduction::mean, Reduction::sum}) {
    const bool is_mean = reduction == Reduction::mean;
    const Tensor labels = indices({2, 0, 4, 4});
    list.add("cross_entropy", is_mean ? "mean" : "sum",
             [=](Inputs x) { return cross_entropy(x[0], labels, reduction); }, {list.normal({4, 5})});
    const Tensor some = indices({2, -100, 4, -100});
    list.add("cross_entropy", is_mean ? "mean, rows ignored" : "sum, rows ignored",
             [=](Inputs x) { return cross_entropy(x[0], some, reduction); }, {list.normal({4, 5})});
  }
  const Tensor own_ignore = indices({1, 0, 3});
  list.add("cross_entropy", "strided, ignore_index 0",
           [=](Inputs x) { return cross_entropy(x[0], own_ignore, Reduction::mean, 0); }, {list.strided({3, 4})});
  const Tensor none = indices({-100, -100});
  list.add("cross_entropy", "all rows ignored", [=](Inputs x) { return cross_entropy(x[0], none) + sum(x[0]); },
           {list.normal({2, 3})});
  const Tensor soft = list.uniform({3, 5}, 0, 1);
  for (const Reduction reduction : {Reduction::mean, Reduction::sum})
    list.add("bce_with_logits", reduction == Reduction::mean ? "mean" : "sum",
             [=](Inputs x) { return bce_with_logits(x[0], soft.to(x[0].dtype()), reduction); }, {list.normal({3, 5})});
  const Tensor hard = Tensor::from(std::vector<double>{0, 1, 1, 0, 0.25, 1}, {2, 3});
  list.add("bce_with_logits", "strided, targets 0 and 1",
           [=](Inputs x) { return bce_with_logits(x[0], hard.to(x[0].dtype()), Reduction::mean); },
           {list.strided({2, 3})});
}

void add_distribution_checks(OpCheckList& list) {
  using Soft = Variable (*)(const Variable&, const Tensor&, Reduction);
  // Rows need not sum to 1, and may be zeros.
  const Tensor targets = Tensor::from(std::vector<double>{0.5, 0.25, 0.25, 0, 1, 0, 0, 0, 0, 0.3, 0, 0.1}, {4, 3});
  for (const auto& [name, loss] : {std::pair<const char*, Soft>{"soft_cross_entropy", soft_cross_entropy},
                                   std::pair<const char*, Soft>{"kl_div", kl_div}})
    for (const Reduction reduction : {Reduction::mean, Reduction::sum}) {
      const auto f = [=, loss = loss](Inputs x) { return loss(x[0], targets.to(x[0].dtype()), reduction); };
      list.add(name, reduction == Reduction::mean ? "mean" : "sum", f, {list.normal({4, 3})});
      list.add(name, reduction == Reduction::mean ? "mean, strided" : "sum, strided", f, {list.strided({4, 3})});
    }
  const Tensor labels = indices({2, -100, 0, 3});
  for (const Reduction reduction : {Reduction::mean, Reduction::sum})
    list.add(
        "label_smoothing_cross_entropy", reduction == Reduction::mean ? "mean, a row ignored" : "sum, a row ignored",
        [=](Inputs x) { return label_smoothing_cross_entropy(x[0], labels, 0.2, reduction); }, {list.normal({4, 5})});
  const Tensor all = indices({2, 0});
  list.add("label_smoothing_cross_entropy", "all rows count, strided",
           [=](Inputs x) { return label_smoothing_cross_entropy(x[0], all, 0.1); }, {list.strided({2, 3})});
}

void add_regression_checks(OpCheckList& list) {
  const Tensor targets = list.normal({3, 5});
  for (const Reduction reduction : {Reduction::mean, Reduction::sum}) {
    const char* variant = reduction == Reduction::mean ? "mean" : "sum, strided";
    const auto input = [&] { return reduction == Reduction::mean ? list.normal({3, 5}) : list.strided({3, 5}); };
    list.add("mse_loss", variant, [=](Inputs x) { return mse_loss(x[0], targets.to(x[0].dtype()), reduction); },
             {input()});
    list.add("l1_loss", variant, [=](Inputs x) { return l1_loss(x[0], targets.to(x[0].dtype()), reduction); },
             {input()});
    list.add("smooth_l1_loss", variant,
             [=](Inputs x) { return smooth_l1_loss(x[0], targets.to(x[0].dtype()), 0.8, reduction); }, {input()});
  }
  list.add("smooth_l1_loss", "beta 1/9",
           [=](Inputs x) { return smooth_l1_loss(x[0], targets.to(x[0].dtype()), 1.0 / 9); }, {list.normal({3, 5})});
}

void add_pair_checks(OpCheckList& list) {
  list.add("contrastive_logits", "more texts than images",
           [](Inputs x) { return contrastive_logits(x[0], x[1], x[2]); },
           {list.normal({2, 4}), list.normal({5, 4}), list.uniform({}, 0.5, 1)});
  const auto contrastive = [](Inputs x) { return contrastive_loss(l2_normalise(x[0]), l2_normalise(x[1]), x[2]); };
  list.add("contrastive_loss", "", contrastive, {list.normal({6, 4}), list.normal({6, 4}), list.uniform({}, 1, 2)});
  list.add("contrastive_loss", "strided, the scale in one dimension", contrastive,
           {list.strided({3, 5}), list.strided({3, 5}), list.uniform({1}, 2, 3)});
  for (const auto& [negatives, variant] :
       {std::pair{ops::Negatives::all, "all"}, std::pair{ops::Negatives::hardest, "hardest"}}) {
    const auto f = [n = negatives](Inputs x) { return ranking_hinge_loss(x[0], 0.2, n); };
    list.add("ranking_hinge_loss", variant, f, {list.normal({7, 7})});
    list.add("ranking_hinge_loss", text(variant, ", strided").c_str(), f, {list.strided({4, 4})});
  }
}

}  // namespace

void add_loss_checks(OpCheckList& list) {
  add_label_checks(list);
  add_distribution_checks(list);
  add_regression_checks(list);
  add_pair_checks(list);
}

}  // namespace tessera::detail

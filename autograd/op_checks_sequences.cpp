// Gradient checks of attention, recurrence and optimal transport.
#include "autograd/functions.h"
#include "autograd/op_check_list.h"

namespace tessera::detail {
namespace {

void add_attention_checks(OpCheckList& list) {
  const auto cross = [](const Tensor& cu_queries, const Tensor& cu_keys, int64_t heads, bool causal) {
    return [=](Inputs x) { return attention(x[0], x[1], x[2], cu_queries, cu_keys, heads, causal); };
  };
  const Tensor five = marks({5});
  list.add("attention", "one sequence", cross(five, five, 1, false),
           {list.normal({5, 3}), list.normal({5, 3}), list.normal({5, 3})});
  list.add("attention", "ragged, other key lengths", cross(marks({3, 0, 1, 4}), marks({2, 1, 5, 1}), 2, false),
           {list.normal({8, 6}), list.normal({9, 6}), list.normal({9, 6})});
  list.add("attention", "no keys for two queries", cross(marks({2, 3}), marks({0, 4}), 2, false),
           {list.normal({5, 4}), list.normal({4, 4}), list.normal({4, 4})});
  list.add("attention", "causal, more keys and fewer", cross(marks({3, 4}), marks({5, 2}), 2, true),
           {list.normal({7, 4}), list.normal({7, 4}), list.normal({7, 4})});
  list.add("attention", "strided", cross(five, five, 2, false),
           {list.strided({5, 4}), list.strided({5, 4}), list.strided({5, 4})});
  list.add("attention", "longer than a tile", cross(marks({70, 3}), marks({130, 3}), 2, false),
           {list.normal({73, 10}), list.normal({133, 10}), list.normal({133, 10})});

  const Ticket ticket = list.ticket();
  const auto dropping = [ticket](const Tensor& cu_queries, const Tensor& cu_keys, bool causal) {
    return [=](Inputs x) { return attention(x[0], x[1], x[2], cu_queries, cu_keys, 2, causal, 0.4, ticket); };
  };
  list.add("attention", "p 0.4", dropping(marks({3, 0, 1, 4}), marks({2, 1, 5, 1}), false),
           {list.normal({8, 6}), list.normal({9, 6}), list.normal({9, 6})});
  list.add("attention", "p 0.4, causal, longer than a tile", dropping(marks({70, 3}), marks({130, 3}), true),
           {list.normal({73, 10}), list.normal({133, 10}), list.normal({133, 10})});

  const auto self = [](const Tensor& cu_seqlens, int64_t heads, bool causal) {
    return [=](Inputs x) { return self_attention(x[0], cu_seqlens, heads, causal); };
  };
  list.add("self_attention", "ragged: 3, 0, 1, 4", self(marks({3, 0, 1, 4}), 2, false), {list.normal({8, 18})});
  list.add("self_attention", "causal", self(marks({4, 1, 3}), 2, true), {list.normal({8, 12})});
  list.add("self_attention", "strided", self(marks({5}), 1, false), {list.strided({5, 9})});
  list.add("self_attention", "longer than a tile", self(marks({131, 2}), 2, false), {list.normal({133, 24})});
  list.add("self_attention", "causal, longer than a tile", self(marks({131, 2}), 2, true), {list.normal({133, 24})});
  const Tensor four = marks({4, 1, 3});
  list.add("self_attention", "p 0.4", [=](Inputs x) { return self_attention(x[0], four, 2, false, 0.4, ticket); },
           {list.normal({8, 12})});

  const auto to_others = [ticket](const Tensor& cu_queries, const Tensor& cu_keys, double p) {
    return [=](Inputs x) { return cross_attention(x[0], x[1], cu_queries, cu_keys, 2, p, ticket); };
  };
  list.add("cross_attention", "ragged, one without keys", to_others(marks({3, 0, 1, 4}), marks({2, 1, 0, 6}), 0),
           {list.normal({8, 6}), list.normal({9, 12})});
  list.add("cross_attention", "strided, p 0.4", to_others(marks({5}), marks({7}), 0.4),
           {list.strided({5, 4}), list.strided({7, 8})});
  list.add("cross_attention", "p 0.1, longer than a tile", to_others(marks({70, 3}), marks({131, 2}), 0.1),
           {list.normal({73, 8}), list.normal({133, 16})});
}

void add_recurrence_checks(OpCheckList& list) {
  const auto both = [](const Tensor& cu_seqlens, bool reverse) {
    return [=](Inputs x) {
      const Gru y = gru(x[0], x[1], x[2], x[3], x[4], cu_seqlens, x.size() > 5 ? x[5] : Variable{}, reverse);
      return std::vector<Variable>{y.output, y.last};
    };
  };
  const Tensor ragged = marks({2, 0, 4, 1, 4});
  const auto inputs = [&list](int64_t tokens, int64_t in, int64_t hidden) {
    return std::vector<Tensor>{list.normal({tokens, in}), list.normal({3 * hidden, in}),
                               list.normal({3 * hidden, hidden}), list.normal({3 * hidden}), list.normal({3 * hidden})};
  };
  list.add_many("gru", "ragged: 2, 0, 4, 1, 4", both(ragged, false), inputs(11, 3, 2));
  std::vector<Tensor> started = inputs(11, 2, 3);
  started.push_back(list.normal({5, 3}));
  list.add_many("gru", "reverse, with h0", both(ragged, true), started);
  list.add("gru", "the output alone, without biases, strided",
           [=](Inputs x) { return gru(x[0], x[1], x[2], {}, {}, ragged).output; },
           {list.strided({11, 3}), list.strided({6, 3}), list.strided({6, 2})});
  list.add("gru", "the last states alone, h0 strided",
           [=](Inputs x) { return gru(x[0], x[1], x[2], {}, x[3], ragged, x[4]).last; },
           {list.normal({11, 3}), list.normal({6, 3}), list.normal({6, 2}), list.normal({6}), list.strided({5, 2})});
  list.add_many("gru", "no tokens", both(marks({0, 0}), false),
                {list.normal({0, 2}), list.normal({6, 2}), list.normal({6, 2}), list.normal({6}), list.normal({6}),
                 list.normal({2, 2})});
}

void add_transport_checks(OpCheckList& list) {
  const Tensor cu_x = marks({2, 1, 0, 4}), cu_y = marks({3, 1, 2, 5});
  constexpr int64_t kCells = 2 * 3 + 1 * 1 + 0 * 2 + 4 * 5;
  const auto dense = [](double eps) { return [eps](Inputs x) { return cosine_cost(x[0], x[1], eps); }; };
  const auto ragged = [=](Inputs x) { return cosine_cost(x[0], x[1], cu_x, cu_y); };
  list.add("cosine_cost", "dense", dense(1e-5), {list.normal({3, 4}), list.normal({5, 4})});
  list.add("cosine_cost", "dense, strided", dense(1e-5), {list.strided({3, 4}), list.strided({5, 4})});
  list.add("cosine_cost", "dense, norms below the floor", dense(2),
           {list.uniform({3, 4}, 0.1, 0.5), list.uniform({5, 4}, 1.5, 3)});
  list.add("cosine_cost", "ragged: 2, 1, 0, 4", ragged, {list.normal({7, 3}), list.normal({11, 3})});
  list.add("cosine_cost", "ragged, strided", ragged, {list.strided({7, 3}), list.strided({11, 3})});

  const Tensor plan = list.uniform({kCells}, 0, 0.2);
  const auto distance = [=](Inputs x) {
    const Tensor constant = plan.to(x[0].dtype()).to(x[0].value().device());
    return transport_distance(x[0], constant, cu_x, cu_y);
  };
  list.add("transport_distance", "ragged: 2, 1, 0, 4", distance, {list.normal({kCells})});
  list.add("transport_distance", "of a cosine cost",
           [=](Inputs x) { return distance(std::vector{cosine_cost(x[0], x[1], cu_x, cu_y)}); },
           {list.normal({7, 3}), list.normal({11, 3})});
}

}  // namespace

void add_sequence_checks(OpCheckList& list) {
  add_attention_checks(list);
  add_recurrence_checks(list);
  add_transport_checks(list);
}

}  // namespace tessera::detail

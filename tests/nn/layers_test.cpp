#include "nn/transformer_block.h"

#include <doctest/doctest.h>

#include <cmath>
#include <tuple>

#include "autograd/gradcheck.h"
#include "autograd/tape.h"
#include "nn/embedding.h"

namespace tessera::layers_test {

TEST_CASE("ticket source: streams in call order, and a copy draws the same again") {
  TicketSource source(5, 9);
  const Ticket first = source.next();
  TicketSource copy = source;
  CHECK(first.seed == 5);
  CHECK(first.step == 9);
  CHECK(first.stream == 0);
  CHECK(source.next().stream == 1);
  CHECK(copy.next().stream == 1);
}

TEST_CASE("layers: linear without bias, embedding") {
  Linear linear(3, 2, false);
  std::string names;
  linear.visit("", [&names](const std::string& name, Variable&) { names += name; });
  CHECK(names == "weight");
  linear.weight = Variable(Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3}), true);
  const Variable x(Tensor::from(std::vector<float>{1, 0, -1}, {1, 3}));
  CHECK(linear(x).value().to_vector<float>() == std::vector<float>{-2, -2});

  Embedding table(3, 2);
  table.weight = Variable(Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {3, 2}), true);
  const Variable rows = table(Tensor::from(std::vector<int64_t>{2, 0, 2}));
  CHECK(rows.value().to_vector<float>() == std::vector<float>{5, 6, 1, 2, 5, 6});
  rows.backward(Tensor::full({3, 2}, 1));
  CHECK(table.weight.grad().to_vector<float>() == std::vector<float>{1, 1, 0, 0, 2, 2});
}

}  // namespace tessera::layers_test

// 2. The tape: how a program that computes a value becomes one that computes a gradient.
//
// A Variable is a tensor and, apart from it, what the tape knows: which op made it, from what. Calling ops writes the
// tape; backward() reads it from the end to the beginning and applies the chain rule at every op. That is all.
#include <cmath>

#include "autograd/functions.h"
#include "autograd/tape.h"
#include "examples/page.h"

using namespace tessera;

// A new op in four lines. It returns its value and the closure that knows its derivative; what the closure captures is
// what stays in memory for backward: here the output y, since d tanh(x)/dx = 1 - y². (Only the shape of the input x is
// remembered, so x itself can be freed.)
Variable my_tanh(const Variable& x) {
  Tensor y = tanh(x).value();
  return record("my_tanh", y, {x}, [y](const Tensor& dy, GradSlots) -> Grads {
    return {(Variable(dy) * (Variable(Tensor::full(y.shape(), 1, y.dtype())) - square(Variable(y)))).value()};
  });
}

Variable number(double value) { return Variable(Tensor::scalar(value, DType::f64), /*requires_grad=*/true); }
double gradient(const Variable& leaf) { return leaf.grad().item(); }

int main() {
  page::heading("One expression");
  //   f(x, y) = x y + exp(x)    ∂f/∂x = y + exp(x)    ∂f/∂y = x
  Variable x = number(0.5), y = number(3);
  const Variable f = x * y + exp(x);
  f.backward();
  std::cout << "    f = x y + exp(x) at x = 0.5, y = 3:   f = " << f.value().item() << "\n"
            << "    df/dx = " << gradient(x) << " (y + exp(x) = " << 3 + std::exp(0.5) << ")\n"
            << "    df/dy = " << gradient(y) << " (x = 0.5)\n";
  page::claim(std::abs(gradient(x) - (3 + std::exp(0.5))) < 1e-12 && gradient(y) == 0.5, "both are exact");

  page::heading("A value used twice gets the sum");
  // x flows into f along two paths, and backward adds what arrives along each. It adds to what is there already, too:
  // a second expression's gradients come on top until they are cleared, which is how small batches add up to a large
  // one.
  (x * 10).backward();
  page::claim(std::abs(gradient(x) - (13 + std::exp(0.5))) < 1e-12, "df/dx + d(10 x)/dx accumulate");
  x.clear_grad();

  page::heading("Broadcast forwards is summation backwards");
  // bias [2] was used in each of three rows, so its gradient is the sum over the rows: done once, in the engine.
  Variable table(Tensor::zeros({3, 2}, DType::f64), true), bias(Tensor::zeros({2}, DType::f64), true);
  sum(table + bias).backward();
  std::cout << "    grad of table " << table.grad() << "\n    grad of bias  " << bias.grad() << "\n";
  page::claim(bias.grad().to_vector<double>() == std::vector<double>{3, 3}, "each bias was used three times");

  page::heading("A new op");
  Variable z = number(0.7);
  my_tanh(z).backward();
  const double own = gradient(z);
  z.clear_grad();
  tanh(z).backward();
  std::cout << "    my_tanh: " << own << "   the library's tanh: " << gradient(z) << "\n";
  page::claim(std::abs(own - gradient(z)) < 1e-15, "they agree");

  page::heading("What the tape refuses");
  // The closure of y² holds a. If a is overwritten before backward has run, the gradient would be that of another
  // function: quietly wrong. The tape compares version numbers (chapter 1) and stops.
  Variable a = number(2);
  const Variable squared = square(a);
  a.mutable_value().fill_(5);
  std::string message;
  try {
    squared.backward();
  } catch (const Error& error) {
    message = error.what();
  }
  std::cout << "    " << message << "\n";
  page::claim(message.find("was modified after forward") != std::string::npos, "an overwritten input is an error");

  // Activations are the memory of training. backward() drops each closure once it has run, so a second call has nothing
  // to run on.
  const Variable once = exp(number(1));
  once.backward();
  message.clear();
  try {
    once.backward();
  } catch (const Error& error) {
    message = error.what();
  }
  std::cout << "    " << message << "\n";
  page::claim(!message.empty(), "so is a second backward");

  page::heading("Deep, not recursive");
  // Nodes carry a creation number; backward visits them in descending order with a queue. A chain of a million ops
  // needs no deep stack, neither to run nor to be freed.
  Variable start = number(0);
  Variable chain = start;
  for (int i = 0; i < 1'000'000; ++i) chain = chain + 1.0;
  chain.backward();
  page::claim(chain.value().item() == 1e6 && gradient(start) == 1, "a chain of a million additions has slope 1");
}

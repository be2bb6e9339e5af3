// Ops that are right on contiguous inputs alone, and their right twins.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "autograd/tape.h"

namespace tessera::gradcheck_twins_test {
namespace {

using Inputs = std::span<const Variable>;

// x², from values that `forward` reads and `backward` reads again.
using Read = std::function<Tensor(const Tensor&)>;
Variable square_of(const Variable& x, const Read& forward, const Read& backward) {
  const Tensor value = x.value();
  return record("square_of", square(Variable(forward(value))).value(), {x},
                [value, backward](const Tensor& dy, GradSlots) -> Grads {
                  return {(Variable(dy) * Variable(backward(value)) * 2).value()};
                });
}

Tensor right(const Tensor& x) { return x.contiguous(); }

// The elements that follow each other in memory, whatever the strides: those from `start` on, with `row` from one row
// to the next.
Tensor from_memory(const Tensor& x, const double* start, int64_t row) {
  const int64_t columns = x.dim() == 0 ? 1 : x.size(-1);
  std::vector<double> values;
  for (int64_t i = 0; i < x.numel(); ++i) values.push_back(start[i / columns * row + i % columns]);
  return Tensor::from(values, x.shape());
}

Tensor without_strides(const Tensor& x) {
  // Only as much as there is of an expanded tensor.
  const bool expanded = std::find(x.strides().begin(), x.strides().end(), 0) != x.strides().end();
  return expanded ? Tensor::full(x.shape(), *x.data<double>(), DType::f64)
                  : from_memory(x, x.data<double>(), x.size(-1));
}

Tensor without_offset(const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), DType::f64);
  y.copy_(x);
  if (x.offset() > 0) y.mutable_data<double>()[0] = *(x.data<double>() - x.offset());
  return y;
}

Tensor rows_without_gaps(const Tensor& x) {
  return x.stride(-1) == 1 && x.stride(0) > x.size(-1) ? from_memory(x, x.data<double>(), x.size(-1)) : right(x);
}

Tensor not_transposed(const Tensor& x) {
  return x.stride(0) == 1 && x.stride(-1) == x.size(0) ? from_memory(x, x.data<double>(), x.size(-1)) : right(x);
}

// Wrong for stride 0 in the last dimension or in the first.
Read expanded_wrong(int dimension) {
  return [dimension](const Tensor& x) {
    Tensor y = x.clone();
    if (x.stride(dimension) == 0) y.mutable_data<double>()[y.numel() - 1] += 1;
    return y;
  };
}

Tensor matrix(uint64_t seed = 1) { return random_normal({3, 4}, seed); }

GradcheckReport forward_of(const Read& read, const Tensor& x = matrix()) {
  return gradcheck_one([&](Inputs v) { return square_of(v[0], read, right); }, {x});
}
GradcheckReport backward_of(const Read& read, const Tensor& x = matrix()) {
  return gradcheck_one([&](Inputs v) { return square_of(v[0], right, read); }, {x});
}
bool says(const GradcheckReport& report, const std::string& what) {
  INFO(report.message());
  const bool found = report.message().find(what) != std::string::npos;
  CHECK(found);
  return !report.ok && found;
}

}  // namespace

TEST_CASE("gradcheck twins: how many a shape has") {
  const auto twins = [](const Tensor& x) {
    const GradcheckReport report = gradcheck_one([](Inputs v) { return square(v[0]); }, {x});
    CHECK_MESSAGE(report.ok, report.message());
    return report.twins;
  };
  CHECK(twins(random_normal({}, 1)) == 1);                      // strided: an offset alone
  CHECK(twins(random_normal({4}, 1)) == 2);                     // strided, expanded
  CHECK(twins(random_normal({1, 4}, 1)) == 2);                  // the same
  CHECK(twins(random_normal({4, 1}, 1)) == 3);                  // and padded
  CHECK(twins(random_normal({3, 4}, 1)) == 5);                  // and transposed; expanded along either dimension
  CHECK(twins(random_normal({2, 3, 4}, 1)) == 6);               // three dimensions
  CHECK(twins(random_normal({4, 3}, 1).transpose(0, 1)) == 6);  // and contiguous
  CHECK(twins(random_normal({0, 3}, 1)) == 0);
  CHECK(twins(random_normal({1, 1, 1, 1, 1, 1, 2, 2}, 1)) == 4);             // no room for a ninth dimension
  CHECK(twins(Tensor::full({2, 3}, 0.5, DType::f64).narrow(1, 0, 1)) == 4);  // contiguous, strided, padded, expanded
}

TEST_CASE("gradcheck twins: an op that reads without strides is refused, in values and in gradients") {
  CHECK(forward_of(right));
  CHECK(says(forward_of(without_strides), "output 0, element "));
  CHECK(says(forward_of(without_strides), "with the strided twin of input 0, the value is nan, expected"));
  CHECK(says(backward_of(without_strides), "input 0, element "));
  CHECK(says(backward_of(without_strides), "with the strided twin of input 0, backward gives nan, expected"));
  // Each layout is named, none fills the list.
  std::set<std::string> layouts;
  for (const GradcheckFailure& failure : backward_of(without_strides).failures) layouts.insert(failure.when);
  CHECK(layouts.size() == 5);
  // Where the input given is strided, differences find nothing: they are made with what the op reads.
  const Tensor strided = random_normal({4, 3}, 1).transpose(0, 1);
  CHECK(says(gradcheck_one([](Inputs v) { return square_of(v[0], without_strides, without_strides); }, {strided}),
             "with the contiguous twin of input 0, the value is"));
}

TEST_CASE("gradcheck twins: each layout finds what no other does") {
  struct Case {
    const char* layout;
    Read read;
  };
  const Case cases[] = {{"strided twin of input 0", without_offset},
                        {"padded twin of input 0", rows_without_gaps},
                        {"transposed twin of input 0", not_transposed},
                        {"expanded twin of input 0 along dimension 0", expanded_wrong(0)},
                        {"expanded twin of input 0 along dimension 1", expanded_wrong(1)}};
  for (const Case& each : cases) {
    CAPTURE(each.layout);
    for (const GradcheckReport& report : {forward_of(each.read), backward_of(each.read)}) {
      CHECK_FALSE(report.ok);
      CHECK(!report.failures.empty());
      for (const GradcheckFailure& failure : report.failures) CHECK(failure.when == text("with the ", each.layout));
    }
  }
}

TEST_CASE("gradcheck twins: an expanded twin with the values given is found out also where others cannot be made") {
  // All elements are equal, so that the input itself is expanded; a function that wants 0.5 takes no other slice.
  const Tensor half = Tensor::full({2, 3}, 0.5, DType::f64);
  CHECK(forward_of(right, half));
  CHECK(says(forward_of(expanded_wrong(1), half), "expanded twin of input 0 along dimension 1, the value is"));
}

TEST_CASE("gradcheck twins: an op that writes its gradient as if its input were contiguous is refused") {
  // The gradient has the strides of x, and is filled in the order of memory.
  const auto wrong = [](Inputs v) {
    const Tensor x = v[0].value();
    return record("doubled", (v[0] * 2).value(), {v[0]}, [x](const Tensor& dy, GradSlots) -> Grads {
      const Tensor right = (Variable(dy) * 2).value();
      if (x.dim() != 2 || x.stride(0) != 1) return {right};
      return {right.view({x.size(1), x.size(0)}).transpose(0, 1)};
    });
  };
  const GradcheckReport report = gradcheck_one(wrong, {matrix()});
  CHECK(says(report, "input 0, element 1: with the transposed twin of input 0, backward gives"));
  for (const GradcheckFailure& failure : report.failures) CHECK(failure.output == -1);
}

TEST_CASE("gradcheck twins: the twin of one input may show an error in the gradient of another") {
  const auto product = [](bool careless) {
    return [careless](Inputs v) {
      const Tensor a = v[0].value(), b = v[1].value();
      return record("product", (v[0].detach() * v[1].detach()).value(), {v[0], v[1]},
                    [a, b, careless](const Tensor& dy, GradSlots) -> Grads {
                      const Tensor read = careless ? without_strides(b) : b;
                      return {(Variable(dy) * Variable(read)).value(), (Variable(dy) * Variable(a)).value()};
                    });
    };
  };
  const std::vector<Tensor> inputs = {matrix(1), matrix(2)};
  CHECK(gradcheck_one(product(false), inputs));
  const GradcheckReport report = gradcheck_one(product(true), inputs);
  CHECK(says(report, "input 0, element 1: with the strided twin of input 1, backward gives nan"));
  for (const GradcheckFailure& failure : report.failures) CHECK(failure.input == 0);
}

TEST_CASE("gradcheck twins: a function that refuses strides fails by its words, unless twins are not wanted") {
  const auto strict = [](Inputs v) {
    check(v[0].value().is_contiguous(), "strict: not contiguous");
    return square(v[0]);
  };
  CHECK(says(gradcheck_one(strict, {matrix()}),
             "input 0: with the strided twin of input 0, an error: strict: not contiguous (a function that takes "
             "contiguous inputs alone is checked with options.twins = false)"));
  GradcheckOptions options;
  options.twins = false;
  const GradcheckReport report = gradcheck_one(strict, {matrix()}, options);
  CHECK(report.ok);
  CHECK(report.twins == 0);
}

TEST_CASE("gradcheck twins: values that a function does not take are not expanded") {
  const auto ascending = [](Inputs v) {
    const std::vector<double> x = v[0].value().to_vector<double>();
    check(x[0] < x[1], "ascending: elements are not in order");
    return square(v[0]);
  };
  const GradcheckReport report = gradcheck_one(ascending, {Tensor::from(std::vector<double>{1, 2})});
  CHECK(report.ok);
  CHECK(report.twins == 1);
}

}  // namespace tessera::gradcheck_twins_test

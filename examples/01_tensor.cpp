// 1. Tensors: numbers in a row, and a way to look at them.
//
// A tensor is a handle: a block of memory, and a shape and strides that say how to walk through it. Most of what looks
// like moving data is a new handle on the old memory. A tensor knows nothing of gradients; that is chapter 2.
#include "examples/page.h"
#include "tensor/allocator.h"
#include "tensor/ops/elementwise.h"
#include "tensor/ops/matmul.h"
#include "tensor/ops/reduce.h"
#include "tensor/philox.h"

using namespace tessera;

int main() {
  page::heading("Shape and strides");
  // Twelve numbers, read as three rows of four. Element (i, j) lies at i · 4 + j · 1: those are the strides.
  std::vector<float> numbers(12);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i);
  Tensor a = Tensor::from(numbers, {3, 4});
  page::print_matrix("a", a);

  // The transpose exchanges sizes and strides, and nothing else. A narrower view starts at an offset. Neither copies.
  const Tensor transposed = a.transpose(0, 1);
  const Tensor inner = a.narrow(0, 1, 2).narrow(1, 1, 2);
  page::print_matrix("a.transpose(0, 1)", transposed);
  page::print_matrix("a.narrow(0, 1, 2).narrow(1, 1, 2)", inner);
  page::claim(transposed.storage() == a.storage() && inner.storage() == a.storage(), "all lie in the same memory");

  page::heading("Views alias; ops do not mutate");
  // `mutable_data`, and functions whose name ends in _, are the only ways to write. A write is seen through every view,
  // and it is counted: the version number is how chapter 2 notices that a value it needs has been overwritten.
  const uint64_t version = a.version();
  a.narrow(0, 1, 1).fill_(-1);
  page::print_matrix("a.transpose(0, 1) after a.narrow(0, 1, 1).fill_(-1)", transposed);
  page::claim(transposed.select(0, 2).select(0, 1).item() == -1, "the transpose sees the write");
  page::claim(a.version() > version, "and the version number has grown");
  const Tensor doubled = ops::mul(a, 2);
  page::claim(doubled.storage() != a.storage(), "ops::mul(a, 2) is new memory, a is as it was");

  page::heading("Broadcasting");
  // Shapes are aligned at the last dimension; a size of 1 is repeated, with stride 0, so nothing is stored twice.
  const Tensor column = Tensor::from(std::vector<float>{0, 10, 20}, {3, 1});
  const Tensor row = Tensor::from(std::vector<float>{1, 2, 3, 4});
  page::print_matrix("column [3, 1] + row [4]", ops::add(column, row));
  page::print_matrix("column.expand({3, 4})", column.expand({3, 4}));
  page::claim(column.expand({3, 4}).stride(1) == 0, "the expanded column has stride 0 along its rows");

  page::heading("Types do not mix");
  // A silent promotion is a silent loss or a silent slowdown, so it is an error instead, and says what it got.
  std::string message;
  try {
    ops::add(row, row.to(DType::f64));
  } catch (const Error& error) {
    message = error.what();
  }
  std::cout << "    " << message << "\n";
  page::claim(!message.empty(), "f32 + f64 is refused; row.to(DType::f64) converts");

  page::heading("Random numbers without a state");
  // A draw is a function of (seed, stream, step, index): no generator is passed around, and a thread that starts in the
  // middle draws what it would have drawn anyway. Chapter 6's dropout masks are recomputed rather than stored.
  const Ticket ticket{.seed = 2021, .stream = 3, .step = 0};
  std::cout << "    words 0 to 3:";
  for (uint64_t i = 0; i < 4; ++i) std::cout << "  " << std::hex << std::setw(8) << ticket.word(i) << std::dec;
  std::cout << "\n";
  page::claim(ticket.word(2) == ticket.block(0)[2], "word 2 is the same, however it is reached");

  page::heading("Products, sums, and where the memory goes");
  const Tensor product = ops::matmul(a, transposed);  // the transposed view is read in place
  page::print_matrix("a · aᵀ", product);
  page::claim(ops::sum(a, 0).shape() == Shape{4}, "sum(a, 0) sums the columns: shape [4]");

  // Freed blocks are kept for the next tensor of about that size, so a loop of equal steps soon asks for nothing more.
  const auto step = [] { return ops::sum(ops::exp(Tensor::zeros({256, 256}))).item<float>(); };
  const float sum = step();
  const int64_t before = memory_statistics().system_calls;
  for (int i = 0; i < 100; ++i) step();
  page::claim(sum == 65536 && memory_statistics().system_calls == before,
              "100 more steps took no memory from the system");
}

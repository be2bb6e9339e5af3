#include "tensor/ops/elementwise.h"

#include "tensor/ops/dropout.h"
#include "tensor/ops/dropout_kernels.h"
#include "tensor/ops/elementwise_kernels.h"
#include "tests/cuda/on_device.h"

namespace tessera::elementwise_test {

using namespace tessera::test;

namespace {

const Ticket kTicket{0x123456789abcdef0u, 5, 7};

}  // namespace

TEST_CASE("cuda dropout gives the CPU's bits, at any size and alignment") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const int64_t count : {0, 1, 3, 4, 8, 1027, 5000})
      for (const double p : {0.0, 0.1, 0.75}) {
        CAPTURE(count);
        const Tensor x = random_values<T>({count}, 1);
        const auto from = on_device<T>(x, "x");
        const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
          DeviceArray<T> y(count, "y");
          cuda::dropout(from.data(), y.data(), count, p, kTicket);
          return {from_device(y, {count})};
        });
        CHECK(same_bits(got[0], ops::dropout(x, p, kTicket)));
        if (count == 0) continue;
        DeviceArray<T> shifted(count + 1, "shifted");  // not aligned: element by element, the same bits
        cuda::dropout(from.data(), shifted.data() + 1, count, p, kTicket);
        // The first element was never written, so that the array may be read as a whole only on the host.
        CHECK(same_bits(from_device(shifted, {count + 1}).narrow(0, 1, count), ops::dropout(x, p, kTicket)));
      }
  });
}

// Counters beyond 2^32 blocks of four words, as a large tensor would have them, are tested by the ticket's step and
// stream: all four words of the counter enter the same rounds.
TEST_CASE("cuda dropout: seed, stream and step choose the mask") {
  const int64_t count = 300;
  const Tensor x = Tensor::full({count}, 1);
  const auto from = on_device<float>(x, "x");
  DeviceArray<float> y(count, "y");
  for (const Ticket& ticket :
       {Ticket{1, 0, 0}, Ticket{1ull << 32, 0, 0}, Ticket{0, 1, 0}, Ticket{0, 0, 1}, Ticket{~0ull, ~0u, ~0u}}) {
    cuda::dropout(from.data(), y.data(), count, 0.5, ticket);
    CHECK(same_bits(from_device(y, {count}), ops::dropout(x, 0.5, ticket)));
  }
}

// erfc and exp are good to a few ulp; near its zero at -0.75 the derivative's error counts against its largest value.
TEST_CASE("cuda gelu and its gradient, with and without dropout, and sums equal the CPU's") {
  for_float_and_bf16([](auto tag) {
    using T = decltype(tag);
    for (const int64_t count : {0, 1, 7, 1027})
      for (const double p : {0.0, 0.3}) {
        CAPTURE(count);
        CAPTURE(p);
        const Tensor x = ops::mul(random_values<T>({count}, 1), 3), dy = random_values<T>({count}, 2);
        const auto from = on_device<T>(x, "x"), gradient = on_device<T>(dy, "dy");
        const std::vector<Tensor> got = in_three_orders([&]() -> std::vector<Tensor> {
          DeviceArray<T> y(count, "y"), dx(count, "dx"), sum(count, "sum");
          cuda::activation_dropout(Activation::gelu, from.data(), y.data(), count, p, kTicket);
          cuda::gelu_dropout_backward(gradient.data(), from.data(), dx.data(), count, p, kTicket);
          cuda::add(from.data(), gradient.data(), sum.data(), count);
          return {from_device(y, {count}), from_device(dx, {count}), from_device(sum, {count})};
        });
        CHECK_CLOSE(got[0], ops::dropout(ops::gelu(wide(x)), p, kTicket), 3e-7);
        CHECK_CLOSE(got[1], ops::gelu_backward(ops::dropout(wide(dy), p, kTicket), wide(x)), 1e-6);
        CHECK(same_bits(got[2], ops::add(x, dy)));
      }
  });
}

}  // namespace tessera::elementwise_test

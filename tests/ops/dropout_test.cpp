#include "tensor/ops/dropout.h"

#include "tensor/ops/dropout_mask.h"
#include "tests/ops/matrix_reference.h"

namespace tessera::dropout_test {

using namespace tessera::test;

namespace {

const Ticket kTicket{0x0123456789abcdefu, 7, 9};

}  // namespace

TEST_CASE("dropout_mask: words equal Ticket::word, also where the counter's low word wraps") {
  const int64_t wraps = int64_t{1} << 34;
  for (const int64_t first : {int64_t{0}, int64_t{1}, int64_t{63}, int64_t{4096}, wraps - 30, wraps - 600, 64 * wraps})
    for (const int64_t count : {int64_t{1}, int64_t{5}, int64_t{64}, ops::DropoutMask::kSegment}) {
      ops::DropoutMask::Buffer buffer;
      const uint32_t* words = ops::DropoutMask("test", 0.5, kTicket).words(first, count, buffer);
      bool same = true;
      for (int64_t i = 0; i < count; ++i) same &= words[i] == kTicket.word(static_cast<uint64_t>(first + i));
      CHECK(same);
    }
  // Random123's known answer: zero key, zero counter.
  ops::DropoutMask::Buffer buffer;
  ops::philox_words(Ticket{0, 0, 0}, 0, 1, buffer.words);
  CHECK(buffer.words[0] == 0x6627e8d5u);
  CHECK(buffer.words[3] == 0x9b00dbd8u);
}

TEST_CASE("dropout: element i is kept iff word i >= p 2^32, and divided by 1 - p") {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const double p : {0x1p-32, 0.1, 0.25, 0.5, 0.9, 1 - 0x1p-20})
      for (const Shape& shape : {Shape{7, 5}, Shape{}, Shape{1}, Shape{0, 3}, Shape{3, 1027}, Shape{20001}}) {
        const Tensor x = random_normal(shape, 1, dtype);
        std::vector<double> expected = values_of(x);
        for (size_t i = 0; i < expected.size(); ++i)
          expected[i] = static_cast<double>(kTicket.word(i)) >= p * 0x1p32 ? expected[i] / (1 - p) : 0;
        // Multiplied by 1 / (1 - p): two roundings.
        const double bound = dtype == DType::f32 ? 2e-7 : 3e-16;
        CHECK(relative_difference(ops::dropout(x, p, kTicket), Tensor::from(expected, shape)) <= bound);
        CHECK(same_bits(ops::dropout(strided(x), p, kTicket), ops::dropout(x, p, kTicket)));
      }
}

TEST_CASE("dropout: p = 0 returns x itself, and the share that is kept is 1 - p") {
  const Tensor x = random_normal({8}, 1);
  CHECK(ops::dropout(x, 0, kTicket).storage() == x.storage());
  const Variable v(x, true);
  CHECK(dropout(v, 0, kTicket).tape() == v.tape());
  const Tensor y = ops::dropout(Tensor::full({100000}, 1), 0.1, kTicket);
  int kept = 0;
  for (const double value : values_of(y)) kept += value != 0;
  CHECK(std::abs(kept - 90000) < 5 * 95);  // standard deviation √(10⁵ · 0.1 · 0.9) = 95
}

TEST_CASE("dropout: gradient") {
  for (const double p : {0.0, 0.4})
    check_gradients("dropout", [p](std::span<const Variable> in) { return dropout(in[0], p, kTicket); },
                    {random_normal({7, 5}, 1)});
}

TEST_CASE("dropout: a gradient with another ticket's mask is caught") {
  const auto planted = [](std::span<const Variable> in) {
    return record("planted", ops::dropout(in[0].value(), 0.5, kTicket), {in[0]},
                  [](const Tensor& dy, GradSlots) -> Grads {
                    return {ops::dropout(dy, 0.5, {1, 2, 3})};
                  });
  };
  CHECK_FALSE(gradcheck_one(planted, {random_normal({7, 5}, 1)}).ok);
}

TEST_CASE("dropout: the same bits on any number of threads") {
  const Tensor x = random_normal({50001}, 1, DType::f32);
  CHECK(same_on_any_number_of_threads([&] { return std::vector{ops::dropout(x, 0.3, kTicket)}; }));
}

TEST_CASE("dropout: what bad input gets") {
  const Tensor x = Tensor::zeros({2});
  CHECK_THROWS_WITH_AS(ops::dropout(x, 1, kTicket), "dropout: p is 1, expected 0 <= p < 1", Error);
  CHECK_THROWS_WITH_AS(ops::dropout(x, -0.5, kTicket), "dropout: p is -0.5, expected 0 <= p < 1", Error);
  CHECK_THROWS_WITH_AS(ops::dropout(x, std::nan(""), kTicket), "dropout: p is nan, expected 0 <= p < 1", Error);
  CHECK_THROWS_WITH_AS(ops::dropout({}, 0.5, kTicket), "dropout: x is undefined", Error);
  CHECK_THROWS_WITH_AS(ops::dropout(Tensor::zeros({2}, DType::i64), 0.5, kTicket),
                       "dropout: dtype is i64, expected f32, f64 or bf16", Error);
}

}  // namespace tessera::dropout_test

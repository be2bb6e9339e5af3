#include "tensor/ops/embed_tokens.h"

#include "tensor/ops/dropout.h"
#include "tests/ops/matrix_reference.h"

namespace tessera::embed_tokens_test {

using namespace tessera::test;

namespace {

const Ticket kTicket{21, 22, 23};

Tensor indices(int64_t count, int64_t rows, uint64_t seed) {
  Random random(seed);
  std::vector<int64_t> values(static_cast<size_t>(count));
  for (int64_t& value : values) value = static_cast<int64_t>(random.below(static_cast<uint64_t>(rows)));
  return Tensor::from(values);
}

struct Case {
  std::vector<Tensor> tables;  // three sources and the table of types
  Tensor index, types;
  double p;

  Case(int64_t tokens, int64_t width, double probability, DType dtype, int64_t rows_of_last = 300)
      : index(indices(tokens, 5 + 1 + rows_of_last, 1)), types(indices(tokens, 3, 2)), p(probability) {
    for (const int64_t rows : {int64_t{5}, int64_t{1}, rows_of_last, int64_t{3}})
      tables.push_back(random_normal({rows, width}, static_cast<uint64_t>(rows), dtype));
  }
  OpFunction fused(DType dtype) const {
    return [this, dtype](std::span<const Variable> x) {
      return embed_tokens({x.begin(), x.end() - 1}, index, x.back(), types, p, kTicket, dtype);
    };
  }
  // The specification.
  OpFunction composed(DType dtype) const {
    return [this, dtype](std::span<const Variable> x) {
      const Variable rows = gather_rows({x.begin(), x.end() - 1}, index);
      return cast(dropout(rows, p, kTicket) + embedding(x.back(), types), dtype);
    };
  }
};

std::vector<Variable> constants(const std::vector<Tensor>& tables) {
  std::vector<Variable> out;
  for (const Tensor& table : tables) out.emplace_back(table);
  return out;
}

}  // namespace

TEST_CASE("embed_tokens: values and gradients are those of gather, dropout, add and cast, bit for bit") {
  const std::pair<DType, DType> dtypes[] = {
      {DType::f32, DType::f32}, {DType::f64, DType::f64}, {DType::f32, DType::bf16}};
  for (const auto& [table_dtype, dtype] : dtypes)
    for (const int64_t width : {1, 7, 64, 130, 768, 1029, 2050})
      for (const double p : {0.0, 0.1, 0.7})
        for (const int64_t tokens : {0, 1, 37, 500}) {
          if (tokens == 500 && width > 768) continue;
          CAPTURE(width);
          CAPTURE(p);
          CAPTURE(tokens);
          const Case c(tokens, width, p, table_dtype);
          const Tensor y = c.fused(dtype)(constants(c.tables)).value();
          CHECK(y.dtype() == dtype);
          CHECK(same_bits(y, c.composed(dtype)(constants(c.tables)).value()));
          std::vector<Tensor> views;
          for (const Tensor& table : c.tables) views.push_back(strided(table));
          CHECK(same_bits(c.fused(dtype)(constants(views)).value(), y));
          const Tensor dy = random_normal(y.shape(), 9, dtype);
          const std::vector<Tensor> got = gradients(c.fused(dtype), c.tables, dy);
          const std::vector<Tensor> expected = gradients(c.composed(dtype), c.tables, dy);
          for (size_t i = 0; i < got.size(); ++i) {
            CAPTURE(i);
            CHECK(same_bits(got[i], expected[i]));
          }
        }
}

TEST_CASE("embed_tokens: gradient") {
  const Case c(40, 9, 0.4, DType::f64, 4);  // every table is reached
  check_gradients("embed_tokens", c.fused(DType::f64), c.tables);
}

TEST_CASE("embed_tokens: a gradient with another ticket's mask is caught") {
  const Case c(20, 9, 0.4, DType::f64);
  const auto planted = [&](std::span<const Variable> x) {
    const Tensor y = c.fused(DType::f64)(x).value();
    return record("planted", y, {x.begin(), x.end()}, [&](const Tensor& dy, GradSlots) -> Grads {
      std::vector<ops::RowTarget> targets;
      for (const Tensor& table : c.tables) targets.push_back({table.size(0), Tensor::empty_like(table), false});
      const std::span<ops::RowTarget> all = targets;
      ops::embed_tokens_backward(dy, c.index, c.types, c.p, {1, 2, 3}, all.first(3), all[3]);
      return {all[0].grad, all[1].grad, all[2].grad, all[3].grad};
    });
  };
  const GradcheckReport report = gradcheck_one(planted, c.tables);
  CHECK_FALSE(report.ok);
  for (const GradcheckFailure& failure : report.failures)
    CHECK(failure.input < 3);  // the types' is the same for any mask
}

TEST_CASE("embed_tokens: gradients are added to what a leaf holds, and left out where not needed") {
  const Case c(50, 33, 0.2, DType::f32);
  const Tensor dy = random_normal({50, 33}, 3, DType::bf16);
  std::vector<Variable> leaves;
  for (const Tensor& table : c.tables) leaves.emplace_back(table, true);
  leaves[1] = Variable(c.tables[1]);
  const Tensor place = Tensor::zeros_like(c.tables[3]);
  leaves[3].set_grad_storage(place);
  for (int i = 0; i < 2; ++i) c.fused(DType::bf16)(leaves).backward(dy);
  const std::vector<Tensor> once = gradients(c.fused(DType::bf16), c.tables, dy);
  CHECK(leaves[3].grad().data<float>() == place.data<float>());
  CHECK_FALSE(leaves[1].grad().defined());
  for (const size_t i : {0, 2, 3}) {
    CHECK(leaves[i].grad().dtype() == DType::f32);
    CHECK(relative_difference(leaves[i].grad(), (Variable(once[i]) * 2).value()) < 1e-6);
  }
}

TEST_CASE("embed_tokens: the same bits on any number of threads") {
  const Case c(3000, 70, 0.1, DType::f32);
  const Tensor dy = random_normal({3000, 70}, 3, DType::bf16);
  CHECK(same_on_any_number_of_threads([&] {
    std::vector<Tensor> out = gradients(c.fused(DType::bf16), c.tables, dy);
    out.push_back(c.fused(DType::bf16)(constants(c.tables)).value());
    return out;
  }));
}

TEST_CASE("embed_tokens: what bad input gets") {
  const Variable table(Tensor::zeros({4, 3})), types(Tensor::zeros({2, 3}));
  const auto i64 = [](std::vector<int64_t> values) { return Tensor::from(values); };
  const auto embed = [&](const Tensor& index, const Variable& type_table, const Tensor& type, DType dtype) {
    return embed_tokens({table}, index, type_table, type, 0.1, kTicket, dtype);
  };
  CHECK_THROWS_WITH_AS(embed(i64({0, 4}), types, i64({0, 1}), DType::f32),
                       "embed_tokens: index[1] is 4, expected 0 to 3 (4 rows)", Error);
  CHECK_THROWS_WITH_AS(embed(i64({0, 3}), types, i64({0, 2}), DType::f32),
                       "embed_tokens: types: index[1] is 2, expected 0 to 1 (2 rows)", Error);
  CHECK_THROWS_WITH_AS(embed(i64({0, 3}), types, i64({0}), DType::f32),
                       "embed_tokens: types are i64 [1], expected i64 [2]", Error);
  CHECK_THROWS_WITH_AS(embed(i64({0}), Variable(Tensor::zeros({2, 4})), i64({0}), DType::f32),
                       "embed_tokens: type_table is f32 [2, 4], expected f32 [types, 3]", Error);
  CHECK_THROWS_WITH_AS(embed(i64({0}), types, i64({0}), DType::f64), "embed_tokens: dtype is f64, expected f32 or bf16",
                       Error);
  CHECK_THROWS_WITH_AS(embed_tokens({}, i64({0}), types, i64({0}), 0.1, kTicket, DType::f32), "embed_tokens: no source",
                       Error);
  CHECK_THROWS_WITH_AS(embed_tokens({table}, i64({0}), types, i64({0}), 1, kTicket, DType::f32),
                       "embed_tokens: p is 1, expected 0 <= p < 1", Error);
}

}  // namespace tessera::embed_tokens_test

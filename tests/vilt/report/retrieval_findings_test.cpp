#include "vilt/report/retrieval_findings.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

namespace tessera::retrieval_findings_test {

namespace {

// Scores [images, texts] in a table, ranked as the evaluation does.
struct Table {
  std::vector<std::vector<double>> scores;
  std::vector<int64_t> image_of_text;

  BothFindings findings(int64_t examples, int64_t first) const {
    const auto images = static_cast<int64_t>(scores.size());
    std::vector<int64_t> image_numbers(scores.size()), text_numbers(image_of_text.size());
    const ScoreRow of_image = [&](int64_t image, std::span<double> out) {
      std::ranges::copy(scores[static_cast<size_t>(image)], out.begin());
    };
    const ScoreRow of_text = [&](int64_t text, std::span<double> out) {
      for (size_t i = 0; i < scores.size(); ++i) out[i] = scores[i][static_cast<size_t>(text)];
    };
    const RetrievalStandings standings = retrieval_standings(images, image_of_text, of_image);
    return retrieval_findings({image_numbers, text_numbers, image_of_text, standings, of_image, of_text}, examples,
                              first);
  }
};

}  // namespace

TEST_CASE("Wrong first picks, ranks and examples both ways") {
  // Image 2 has no text. Text 2 belongs to image 1, and 0 is before it.
  const Table table{{{5, 4, 3}, {1, 2, 2.5}, {0, 9, 1}}, {0, 0, 1}};
  const BothFindings found = table.findings(4, 2);
  CHECK(found.texts.rank_of == std::vector<int64_t>{1, 1, 0});
  CHECK(found.texts.wrong_pick == std::vector<int64_t>{-1, -1, 1});
  CHECK(found.texts.wrong_picks == 1);
  CHECK(found.pictures.rank_of == std::vector<int64_t>{1, 2, 2});
  CHECK(found.pictures.wrong_pick == std::vector<int64_t>{-1, 2, 0});
  CHECK(found.pictures.wrong_picks == 2);
  CHECK(found.pictures.candidates == 3);
  REQUIRE(found.pictures.wrong.size() == 2);
  const RetrievalFindings::Example& example = found.pictures.wrong[0];
  CHECK(example.query == 1);
  REQUIRE(example.found.size() == 2);
  CHECK(example.found[0].candidate == 2);
  CHECK_FALSE(example.found[0].right);
  CHECK(example.found[1].candidate == 0);
  CHECK(example.found[1].right);
  // 1 / (1 + e^-5 + e^-7); the softmax is taken in f64, whose rounding is below 1e-15.
  CHECK(std::abs(example.found[0].share - 1 / (1 + std::exp(-5) + std::exp(-7))) < 1e-14);
}

TEST_CASE("The right one is shown with its place where it is not among the first") {
  const Table table{{{0, 1, 2, 3}, {9, 0, 0, 0}, {9, 0, 0, 0}, {9, 0, 0, 0}}, {0, 1, 2, 3}};
  const BothFindings found = table.findings(3, 2);
  const RetrievalFindings::Example& example = found.texts.wrong[0];
  CHECK(example.rank == 4);
  REQUIRE(example.found.size() == 3);
  CHECK(example.found[2].right);
  CHECK(example.found[2].rank == 4);
  CHECK(example.found[2].candidate == 0);
}

TEST_CASE("Equal scores count as wrong, and the picture that is shown says so, too") {
  const Table table{{{1, 1}, {1, 1}}, {0, 1}};
  const BothFindings found = table.findings(1, 5);
  for (const RetrievalFindings* one : {&found.texts, &found.pictures}) {
    CHECK(one->rank_of == std::vector<int64_t>{2, 2});
    CHECK(one->wrong_pick == std::vector<int64_t>{1, 0});
    REQUIRE(one->wrong.size() == 1);
    CHECK_FALSE(one->wrong[0].found[0].right);
    CHECK(one->wrong[0].found[1].right);
    CHECK(one->right.empty());
  }
}

TEST_CASE("One pair, and pictures without any text") {
  const Table one{{{0.5}}, {0}};
  const BothFindings found = one.findings(2, 5);
  CHECK(found.texts.right.size() == 1);
  CHECK(found.pictures.right[0].found.size() == 1);
  CHECK(found.pictures.right[0].found[0].share == 1);
  const Table none{{{}, {}}, {}};
  CHECK(none.findings(2, 5).texts.rank_of == std::vector<int64_t>{0, 0});
  CHECK(none.findings(2, 5).texts.wrong.empty());
  CHECK(none.findings(2, 5).pictures.queries == 0);
}

}  // namespace tessera::retrieval_findings_test

#include "vilt/ranking/score_file.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>

#include "io/safetensors.h"
#include "tests/temporary_directory.h"

namespace tessera::score_file_test {
namespace {

const ScoreFile::Identity kIdentity{{"texts", "3 texts, 0123"}, {"weights", "sha256 ab"}};

}  // namespace

TEST_CASE("A file of scores grows in place, and safetensors reads it") {
  const tests::TemporaryDirectory folder;
  const auto path = folder.path() / "scores.safetensors";
  const std::vector<Pair> pairs{{1, 2}, {0, 0}};
  const std::vector<double> scores{0.25, -7};
  {
    ScoreFile file(path, 2, 3, kIdentity, ScoreFile::There::keep);
    for (const float value : file.row(1)) CHECK(std::isnan(value));
    file.put(pairs, scores);
  }
  ScoreFile file(path, 2, 3, kIdentity, ScoreFile::There::keep);
  CHECK(file.row(1)[2] == 0.25f);
  CHECK(std::isnan(file.row(1)[1]));
  CHECK(file.column(0)[0] == -7);
  CHECK(std::isnan(file.column(0)[1]));
  CHECK(file.column(2)[1] == 0.25f);
  file.put(std::vector<Pair>{{1, 0}}, std::vector<double>{3});
  CHECK(file.column(0)[1] == 3);  // not what was kept
  const SafeTensors read = load_safetensors(path.string());
  CHECK(read.at("scores").shape() == Shape{2, 3});
  CHECK(read.metadata == kIdentity);
  CHECK(read.at("scores").to_vector<float>()[5] == 0.25f);
}

TEST_CASE("A file of scores of something else is refused by what differs, or replaced") {
  const tests::TemporaryDirectory folder;
  const auto path = folder.path() / "scores.safetensors";
  ScoreFile(path, 2, 3, kIdentity, ScoreFile::There::keep).put(std::vector<Pair>{{0, 0}}, std::vector<double>{1});
  const auto refused = [&](int64_t pictures, const ScoreFile::Identity& identity, const std::string& says) {
    try {
      ScoreFile(path, pictures, 3, identity, ScoreFile::There::keep);
      FAIL("accepted");
    } catch (const Error& error) {
      const std::string message = error.what();
      CAPTURE(message);
      CHECK(message.find("its scores are of something else") != message.npos);
      CHECK(message.find(says) != message.npos);
    }
  };
  refused(4, kIdentity, "it is of 2 pictures and 3 texts, now there are 4 and 3");
  refused(2, {{"texts", "3 texts, 9999"}, {"weights", "sha256 ab"}}, "texts: '3 texts, 0123', now '3 texts, 9999'");
  refused(2, {{"precision", "bf16"}}, "it does not say of what precision it is");
  CHECK(ScoreFile(path, 2, 3, kIdentity, ScoreFile::There::keep).row(0)[0] == 1);
  {
    ScoreFile writer(path, 2, 3, kIdentity, ScoreFile::There::keep);
    CHECK_THROWS_AS(ScoreFile(path, 2, 3, kIdentity, ScoreFile::There::keep), Error);  // another one writes
  }
  constexpr auto keep_or_replace = ScoreFile::There::keep_or_replace;
  CHECK(ScoreFile(path, 2, 3, kIdentity, keep_or_replace).row(0)[0] == 1);
  CHECK(std::isnan(ScoreFile(path, 2, 3, kIdentity, ScoreFile::There::replace).row(0)[0]));
  ScoreFile(path, 2, 3, kIdentity, ScoreFile::There::keep).put(std::vector<Pair>{{0, 0}}, std::vector<double>{1});
  CHECK(std::isnan(ScoreFile(path, 2, 3, {{"weights", "sha256 cd"}}, keep_or_replace).row(0)[0]));
  std::ofstream(path) << "no scores";
  CHECK(std::isnan(ScoreFile(path, 2, 3, kIdentity, keep_or_replace).row(0)[0]));
}

TEST_CASE("What is no file of scores is told") {
  const tests::TemporaryDirectory folder;
  const auto path = folder.path() / "scores";
  const auto refused = [&](const std::string& says) {
    try {
      ScoreFile file(path);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find(says) != std::string::npos);
    }
  };
  std::ofstream(path) << "short";
  refused("5 bytes are no safetensors file of scores");
  std::ofstream(path) << std::string(100, '\x7f');
  refused("a header of");
  save_safetensors(path.string(), {{"other", Tensor::zeros({2, 3})}});
  refused("there is no tensor 'scores'");
  save_safetensors(path.string(), {{"scores", Tensor::zeros({2, 3}, DType::f64)}});
  refused("'scores' is F64 [2, 3], expected F32 [pictures, texts]");
  save_safetensors(path.string(), {{"scores", Tensor::zeros({6})}});
  refused("'scores' is F32 [6], expected F32 [pictures, texts]");
}

}  // namespace tessera::score_file_test

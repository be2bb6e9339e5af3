// A matrix of scores in a file, as it grows: safetensors (io/safetensors.h) with a tensor `scores`, F32 [pictures,
// texts], higher is better, NaN where a pair is not scored yet; in Python safetensors.numpy.load_file opens it.
// __metadata__ says what the scores are of, by name, so that nothing goes on with scores of something else.
//
// The file has its whole size from the beginning and scores are written into it in place, so a process may be killed at
// any point: what it has written stays, the rest is NaN. Only one process at a time may write.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/input_file.h"
#include "vilt/ranking/pair.h"

namespace tessera {

class ScoreFile {
 public:
  using Identity = std::map<std::string, std::string>;  // what → which

  // To read: of whatever origin, as long as it has the one tensor.
  explicit ScoreFile(const std::filesystem::path& path);
  // What becomes of a file that is there already. `keep`: it is gone on with; one of other sizes or of another identity
  // is an error that says in what they differ. `keep_or_replace`: such a one is replaced, as is what is no file of
  // scores.
  enum class There : uint8_t { keep, keep_or_replace, replace };
  // To go on with the file at `path`, or to begin it where there is none.
  ScoreFile(const std::filesystem::path& path, int64_t pictures, int64_t texts, const Identity& identity, There there);
  ~ScoreFile();
  ScoreFile(const ScoreFile&) = delete;
  ScoreFile& operator=(const ScoreFile&) = delete;

  int64_t pictures() const { return pictures_; }
  int64_t texts() const { return texts_; }
  const Identity& identity() const { return identity_; }

  std::vector<float> row(int64_t picture);
  // With all pictures. Neighbouring columns are read together and kept, 64 MiB of them or one.
  std::vector<float> column(int64_t text);
  void put(std::span<const Pair> pairs, std::span<const double> scores);

 private:
  // `path`, where there is a file to go on with from then on.
  static std::filesystem::path begun(const std::filesystem::path& path, int64_t pictures, int64_t texts,
                                     const Identity& identity, There there);
  void check_identity(int64_t pictures, int64_t texts, const Identity& identity) const;

  std::string name_;  // for messages
  InputFile input_;
  int writer_ = -1;
  uint64_t begin_ = 0;  // of the scores
  int64_t pictures_ = 0, texts_ = 0;
  Identity identity_;
  std::vector<float> columns_;  // [columns, pictures]
  int64_t first_column_ = 0;
};

}  // namespace tessera

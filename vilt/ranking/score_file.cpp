#include "vilt/ranking/score_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>

#include "io/output_file.h"
#include "io/printable.h"
#include "io/safetensors_header.h"
#include "io/words.h"
#include "tensor/error.h"

namespace tessera {
namespace {

static_assert(std::endian::native == std::endian::little);
static_assert(sizeof(float) == 4 && std::numeric_limits<float>::is_iec559);

constexpr const char* kTensor = "scores";
constexpr int64_t kColumnBytes = int64_t{64} << 20;

// The whole file, with nothing scored, in its place.
void begin_file(const std::filesystem::path& path, int64_t pictures, int64_t texts,
                const ScoreFile::Identity& identity) {
  int64_t bytes = 0;
  check(!__builtin_mul_overflow(pictures, texts, &bytes) && !__builtin_mul_overflow(bytes, 4, &bytes), shown(path),
        ": scores of ", pictures, " pictures and ", texts, " texts are too many for a file");
  const safetensors::Entry entry{"F32", {pictures, texts}, 0, static_cast<uint64_t>(bytes)};
  const std::string header = safetensors::write_header({{kTensor, entry}}, identity, shown(path));
  OutputFile file(path);
  const uint64_t length = header.size();
  file.write({reinterpret_cast<const char*>(&length), sizeof length});
  file.write(header);
  const std::vector<float> row(static_cast<size_t>(texts), std::numeric_limits<float>::quiet_NaN());
  for (int64_t i = 0; i < pictures; ++i)
    file.write({reinterpret_cast<const char*>(row.data()), row.size() * sizeof(float)});
  file.put_in_place(Durability::power);
}

std::string quoted(const std::string& value) { return "'" + escape_controls(value.substr(0, 200)) + "'"; }

}  // namespace

ScoreFile::ScoreFile(const std::filesystem::path& path) : name_(shown(path)), input_(path) {
  uint64_t length = 0;
  check(input_.size() >= sizeof length, name_, ": ", input_.size(), " bytes are no safetensors file of scores");
  input_.read(&length, sizeof length);
  check(length <= safetensors::kMaxHeaderBytes && length <= input_.size() - sizeof length, name_, ": a header of ",
        length, " bytes in a file of ", input_.size(), "; is it a safetensors file, and whole?");
  std::string json(length, '\0');
  input_.read(json.data(), length);
  begin_ = sizeof length + length;
  const safetensors::Header header = safetensors::parse_header(json, input_.size() - begin_, name_);
  const auto found = header.entries.find(kTensor);
  check(found != header.entries.end(), name_,
        ": there is no tensor 'scores' in it, expected one, F32 [pictures, texts]");
  const safetensors::Entry& entry = found->second;
  check(entry.dtype == "F32" && entry.shape.dim() == 2, name_, ": 'scores' is ", entry.dtype, " ", entry.shape,
        ", expected F32 [pictures, texts]");
  begin_ += entry.begin;
  pictures_ = entry.shape[0];
  texts_ = entry.shape[1];
  identity_ = header.metadata;
}

ScoreFile::ScoreFile(const std::filesystem::path& path, int64_t pictures, int64_t texts, const Identity& identity,
                     There there)
    : ScoreFile(begun(path, pictures, texts, identity, there)) {
  check_identity(pictures, texts, identity);
  writer_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  check(writer_ >= 0, "cannot write ", name_, ": ", std::strerror(errno));
  check(::flock(writer_, LOCK_EX | LOCK_NB) == 0, name_, ": another process is writing into it");
}

std::filesystem::path ScoreFile::begun(const std::filesystem::path& path, int64_t pictures, int64_t texts,
                                       const Identity& identity, There there) {
  const auto is_kept = [&] {
    if (there != There::keep_or_replace) return there == There::keep;
    try {
      ScoreFile(path).check_identity(pictures, texts, identity);
      return true;
    } catch (const Error&) {
      return false;
    }
  };
  if (!std::filesystem::exists(path) || !is_kept()) begin_file(path, pictures, texts, identity);
  return path;
}

ScoreFile::~ScoreFile() {
  if (writer_ >= 0) ::close(writer_);
}

void ScoreFile::check_identity(int64_t pictures, int64_t texts, const Identity& identity) const {
  std::string differs;
  if (pictures_ != pictures || texts_ != texts)
    differs = text("\n  it is of ", with_thousands(pictures_), " pictures and ", with_thousands(texts_),
                   " texts, now there are ", with_thousands(pictures), " and ", with_thousands(texts));
  for (const auto& [what, which] : identity) {
    const auto found = identity_.find(what);
    if (found == identity_.end())
      differs += text("\n  it does not say of what ", what, " it is");
    else if (found->second != which)
      differs += text("\n  ", what, ": ", quoted(found->second), ", now ", quoted(which));
  }
  check(differs.empty(), name_,
        ": its scores are of something else; give another file, or replace it (--force):", differs);
}

std::vector<float> ScoreFile::row(int64_t picture) {
  std::vector<float> out(static_cast<size_t>(texts_));
  input_.seek(begin_ + static_cast<uint64_t>(picture * texts_) * sizeof(float));
  input_.read(out.data(), out.size() * sizeof(float));
  return out;
}

std::vector<float> ScoreFile::column(int64_t text) {
  if (pictures_ == 0) return {};
  const auto pictures = static_cast<size_t>(pictures_);
  if (const auto kept = static_cast<int64_t>(columns_.size() / pictures);
      text < first_column_ || text >= first_column_ + kept) {
    const int64_t room = std::max<int64_t>(1, kColumnBytes / (4 * pictures_));
    first_column_ = text;
    const auto count = static_cast<size_t>(std::min(room, texts_ - text));
    columns_.assign(count * pictures, 0);
    std::vector<float> part(count);
    for (size_t i = 0; i < pictures; ++i) {
      input_.seek(begin_ + (i * static_cast<uint64_t>(texts_) + static_cast<uint64_t>(text)) * sizeof(float));
      input_.read(part.data(), count * sizeof(float));
      for (size_t c = 0; c < count; ++c) columns_[c * pictures + i] = part[c];
    }
  }
  const auto begin = columns_.begin() + (text - first_column_) * pictures_;
  return {begin, begin + pictures_};
}

void ScoreFile::put(std::span<const Pair> pairs, std::span<const double> scores) {
  columns_.clear();
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto score = static_cast<float>(scores[i]);
    const auto place = begin_ + static_cast<uint64_t>(pairs[i].picture * texts_ + pairs[i].text) * sizeof score;
    ssize_t written = 0;
    do written = ::pwrite(writer_, &score, sizeof score, static_cast<off_t>(place));
    while (written < 0 && errno == EINTR);
    check(written == sizeof score, "cannot write ", name_, ": ",
          written < 0 ? std::strerror(errno) : "it was cut short");
  }
}

}  // namespace tessera

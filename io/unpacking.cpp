#include "io/unpacking.h"

#include <climits>
#include <memory>
#include <utility>
#include <vector>

#include <zlib.h>
#include <zstd.h>

#include "tensor/error.h"

namespace tessera {
namespace {

constexpr size_t kUnpackedPiece = 256 << 10;

bool is_gzip(std::string_view beginning) { return beginning.starts_with("\x1f\x8b"); }

// The second is a frame to be skipped, which pzstd puts before the others.
bool is_zstandard(std::string_view beginning) {
  return beginning.starts_with("\x28\xb5\x2f\xfd") || beginning.starts_with("\x50\x2a\x4d\x18");
}

// The stream's pieces, with the first bytes put together so that they can be looked at.
class Packed {
 public:
  explicit Packed(TextPieces pieces) : pieces_(std::move(pieces)) {
    constexpr size_t kMagic = 4;
    for (std::string_view piece = pieces_(); !piece.empty(); piece = pieces_()) {
      head_ += piece;
      if (head_.size() >= kMagic) break;
    }
    rest_ = head_;
  }
  std::string_view beginning() const { return head_; }
  // What has not been used of the present piece, or else the next one; empty at the end.
  std::string_view rest() {
    if (rest_.empty()) rest_ = pieces_();
    return rest_;
  }
  void use(size_t bytes) { rest_.remove_prefix(bytes); }
  std::string_view next() {
    rest();
    return std::exchange(rest_, {});
  }

 private:
  TextPieces pieces_;
  std::string head_;
  std::string_view rest_;
};

class Gunzip {
 public:
  Gunzip(std::shared_ptr<Packed> packed, std::string where) : packed_(std::move(packed)), where_(std::move(where)) {
    constexpr int kLargestWindow = 15, kGzip = 16;
    check(inflateInit2(&stream_, kLargestWindow + kGzip) == Z_OK, where_, ": gzip: out of memory");
  }
  ~Gunzip() { inflateEnd(&stream_); }
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;

  std::string_view next() {
    stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
    stream_.avail_out = static_cast<uInt>(out_.size());
    while (stream_.avail_out == out_.size()) {
      const std::string_view in = packed_->rest().substr(0, UINT_MAX);
      if (ended_ && !begins_another(in)) return {};
      check(!in.empty(), where_, ": truncated gzip stream");
      if (std::exchange(ended_, false)) inflateReset(&stream_);
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
      stream_.avail_in = static_cast<uInt>(in.size());
      const int status = inflate(&stream_, Z_NO_FLUSH);
      packed_->use(in.size() - stream_.avail_in);
      check(status != Z_MEM_ERROR, where_, ": gzip: out of memory");
      check(status == Z_OK || status == Z_STREAM_END, where_, ": damaged gzip stream (",
            stream_.msg ? stream_.msg : zError(status), ")");
      ended_ = status == Z_STREAM_END;
    }
    return {out_.data(), out_.size() - stream_.avail_out};
  }

 private:
  // As gzip does it: zeros and other bytes after the last stream are none.
  static bool begins_another(std::string_view in) { return in.starts_with('\x1f'); }

  std::shared_ptr<Packed> packed_;
  std::string where_;
  z_stream stream_{};
  bool ended_ = false;
  std::vector<char> out_ = std::vector<char>(kUnpackedPiece);
};

class Unzstd {
 public:
  Unzstd(std::shared_ptr<Packed> packed, std::string where)
      : packed_(std::move(packed)), where_(std::move(where)), stream_(ZSTD_createDCtx(), &ZSTD_freeDCtx) {
    check(stream_ != nullptr, where_, ": Zstandard: out of memory");
  }

  std::string_view next() {
    ZSTD_outBuffer out{out_.data(), out_.size(), 0};
    while (out.pos == 0) {
      const std::string_view piece = packed_->rest();
      if (ended_ && piece.empty()) return {};
      // What it has taken in already may still have to be given out.
      ZSTD_inBuffer in{piece.data(), piece.size(), 0};
      const size_t status = ZSTD_decompressStream(stream_.get(), &out, &in);
      packed_->use(in.pos);
      check(ZSTD_isError(status) == 0, where_, ": damaged Zstandard stream (", ZSTD_getErrorName(status), ")");
      ended_ = status == 0;
      check(!piece.empty() || out.pos > 0 || ended_, where_, ": truncated Zstandard stream");
    }
    return {out_.data(), out.pos};
  }

 private:
  std::shared_ptr<Packed> packed_;
  std::string where_;
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> stream_;
  bool ended_ = false;
  std::vector<char> out_ = std::vector<char>(kUnpackedPiece);
};

}  // namespace

bool is_packed(std::string_view beginning) { return is_gzip(beginning) || is_zstandard(beginning); }

TextPieces unpacked(TextPieces pieces, const std::string& where) {
  auto packed = std::make_shared<Packed>(std::move(pieces));
  if (is_gzip(packed->beginning()))
    return [stream = std::make_shared<Gunzip>(packed, where)] { return stream->next(); };
  if (is_zstandard(packed->beginning()))
    return [stream = std::make_shared<Unzstd>(packed, where)] { return stream->next(); };
  return [packed] { return packed->next(); };
}

}  // namespace tessera

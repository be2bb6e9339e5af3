#include "io/packing.h"

#include <zlib.h>

#include <limits>

#include "tensor/error.h"

namespace tessera {

std::string packed_by_gzip(std::string_view bytes) {
  constexpr int kLargestWindow = 15, kGzip = 16, kMemoryLevel = 9;
  check(bytes.size() <= std::numeric_limits<uInt>::max() / 2, "gzip: ", bytes.size(), " bytes at once");
  z_stream stream{};
  check(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kLargestWindow + kGzip, kMemoryLevel,
                     Z_DEFAULT_STRATEGY) == Z_OK,
        "gzip: out of memory");
  std::string packed(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int status = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  check(status == Z_STREAM_END, "gzip: status ", status);
  return packed;
}

}  // namespace tessera

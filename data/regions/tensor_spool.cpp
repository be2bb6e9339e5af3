#include "data/regions/tensor_spool.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "io/printable.h"

namespace tessera {

TensorSpool::TensorSpool(const std::filesystem::path& beside, const char* name, const char* dtype, Shape row)
    : name_(name), dtype_(dtype), row_(row), where_(shown(beside)) {
  std::string pattern = beside.string() + ".spool-XXXXXX";
  const int descriptor = ::mkstemp(pattern.data());
  check(descriptor >= 0, where_, ": cannot create ", shown(pattern), ": ", std::strerror(errno));
  ::unlink(pattern.c_str());
  file_ = ::fdopen(descriptor, "w+b");
  if (file_ == nullptr) ::close(descriptor);
  check(file_ != nullptr, where_, ": cannot write: ", std::strerror(errno));
}

TensorSpool::~TensorSpool() {
  if (file_ != nullptr) std::fclose(file_);
}

void TensorSpool::write(const void* from, uint64_t bytes) {
  if (bytes == 0) return;
  check(std::fwrite(from, 1, bytes, file_) == bytes, where_, ": cannot write: ", std::strerror(errno));
  bytes_ += bytes;
}

void TensorSpool::write(const Tensor& tensor) {
  const Tensor whole = tensor.contiguous();
  dispatch_any(whole.dtype(),
               [&](auto tag) { write(whole.data<decltype(tag)>(), static_cast<uint64_t>(whole.bytes())); });
}

void TensorSpool::copy_to(OutputFile& out) {
  check(std::fflush(file_) == 0, where_, ": cannot write: ", std::strerror(errno));
  std::rewind(file_);
  std::vector<char> piece(size_t{1} << 20);
  for (uint64_t left = bytes_; left > 0;) {
    const size_t count = std::fread(piece.data(), 1, std::min<uint64_t>(left, piece.size()), file_);
    check(count > 0, where_, ": cannot read what was written beside it");
    out.write({piece.data(), count});
    left -= count;
  }
}

safetensors::Entry TensorSpool::entry(uint64_t begin) const {
  auto row = static_cast<uint64_t>(safetensors::element_bytes(dtype_));
  Shape shape{0};
  for (int i = 0; i < row_.dim(); ++i) {
    row *= static_cast<uint64_t>(row_[i]);
    shape.push_back(row_[i]);
  }
  shape[0] = static_cast<int64_t>(bytes_ / row);
  return {dtype_, shape, begin, begin + bytes_};
}

}  // namespace tessera

#include "io/safetensors.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "io/file_kind.h"
#include "io/half.h"
#include "io/input_file.h"
#include "io/printable.h"
#include "io/safetensors_header.h"

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

namespace tessera {
namespace {

using safetensors::Entry;

// Bytes that are read in order, or from another place after seek().
class Source {
 public:
  virtual ~Source() = default;
  virtual void read(void* to, uint64_t bytes) = 0;
  virtual void seek(uint64_t position) = 0;
};

// Bytes in memory. Whoever reads checks against their number first.
class Memory : public Source {
 public:
  explicit Memory(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  void read(void* to, uint64_t bytes) override {
    if (bytes > 0) std::memcpy(to, bytes_.subspan(position_, bytes).data(), bytes);
    position_ += bytes;
  }
  void seek(uint64_t position) override { position_ = position; }

 private:
  std::span<const uint8_t> bytes_;
  uint64_t position_ = 0;
};

class File : public Source {
 public:
  explicit File(const std::string& path) : file_(path) {}
  uint64_t size() const { return file_.size(); }
  void read(void* to, uint64_t bytes) override { file_.read(to, bytes); }
  void seek(uint64_t position) override { file_.seek(position); }

 private:
  InputFile file_;
};

// A file or folder that is written, closed at the end of the scope.
class Output {
 public:
  Output(const std::string& path, int flags)
      : path_(shown(path)), descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {
    check(descriptor_ >= 0, path_, ": cannot open: ", std::strerror(errno));
  }
  ~Output() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(const void* from, uint64_t bytes) {
    constexpr uint64_t kPiece = uint64_t{1} << 30;  // write(2) moves at most 2 GiB at once
    auto* in = static_cast<const char*>(from);
    while (bytes > 0) {
      const ssize_t count = ::write(descriptor_, in, std::min(bytes, kPiece));
      if (count < 0 && errno == EINTR) continue;
      check(count >= 0, path_, ": cannot write: ", std::strerror(errno));
      in += count;
      bytes -= static_cast<uint64_t>(count);
    }
  }
  void flush_and_close() {
    check(::fsync(descriptor_) == 0, path_, ": cannot write: ", std::strerror(errno));
    const int closed = ::close(std::exchange(descriptor_, -1));
    check(closed == 0, path_, ": cannot write: ", std::strerror(errno));
  }
  // Of a directory: makes a rename in it durable. Some file systems cannot; the contents are whole all the same.
  void flush_directory() const { ::fsync(descriptor_); }

 private:
  const std::string path_;
  int descriptor_;
};

// Reads `count` elements of type From in pieces and stores convert(element).
template <class From, class To, class Convert>
void read_converted(Source& source, To* to, int64_t count, Convert convert) {
  constexpr int64_t kPiece = 65536;
  std::vector<From> piece(static_cast<size_t>(std::min(count, kPiece)));
  for (int64_t done = 0; done < count;) {
    const int64_t now = std::min(count - done, kPiece);
    source.read(piece.data(), static_cast<uint64_t>(now) * sizeof(From));
    for (int64_t i = 0; i < now; ++i) to[done + i] = convert(piece[static_cast<size_t>(i)]);
    done += now;
  }
}

Tensor read_tensor(Source& source, const Entry& entry, const std::string& name, const std::string& path) {
  const auto read_as = [&]<class T>(T) {
    Tensor tensor = Tensor::empty(entry.shape, dtype_of<T>::value);
    source.read(tensor.mutable_data<T>(), static_cast<uint64_t>(tensor.bytes()));
    return tensor;
  };
  if (entry.dtype == "F32") return read_as(float{});
  if (entry.dtype == "F64") return read_as(double{});
  if (entry.dtype == "BF16") return read_as(bf16{});
  if (entry.dtype == "I64") return read_as(int64_t{});
  if (entry.dtype == "U8") return read_as(uint8_t{});
  if (entry.dtype == "BOOL") {
    Tensor tensor = read_as(uint8_t{});
    const uint8_t* values = tensor.data<uint8_t>();
    for (int64_t i = 0; i < tensor.numel(); ++i)
      check(values[i] <= 1, path, ": tensor '", name, "': BOOL element ", i, " is ", int{values[i]},
            ", expected 0 or 1");
    return tensor;
  }
  if (entry.dtype == "F16") {
    Tensor tensor = Tensor::empty(entry.shape, DType::f32);
    read_converted<uint16_t>(source, tensor.mutable_data<float>(), tensor.numel(), half_to_float);
    return tensor;
  }
  check(entry.dtype == "I32", path, ": tensor '", name, "': dtype '", entry.dtype, "' is not supported");
  Tensor tensor = Tensor::empty(entry.shape, DType::i64);
  read_converted<int32_t>(source, tensor.mutable_data<int64_t>(), tensor.numel(), [](int32_t v) { return int64_t{v}; });
  return tensor;
}

// Says what the file is, if its first bytes tell that it is something else.
void check_kind(Source& source, uint64_t size, const std::string& path) {
  std::vector<uint8_t> head(std::min<uint64_t>(size, kFileKindBytes));
  source.seek(0);
  source.read(head.data(), head.size());
  const bool begins_as_one = size > 8 && head[8] == '{';
  if (!begins_as_one && !file_kind(head).empty())
    fail(path, ": ", wrong_kind(head, "a safetensors file (torch's are named .bin, .pt, .pth or .ckpt)"));
}

SafeTensors read(Source& source, uint64_t size, const std::string& path) {
  check_kind(source, size, path);
  check(size >= 8, path, ": ", size, " bytes are too few for a safetensors file");
  source.seek(0);
  uint64_t length = 0;
  source.read(&length, sizeof length);
  check(length <= safetensors::kMaxHeaderBytes, path, ": header length is ", length, ", at most ",
        safetensors::kMaxHeaderBytes, " is allowed; not a safetensors file?");
  check(length <= size - 8, path, ": header length is ", length, ", but only ", size - 8,
        " bytes follow; the file may be cut short");
  std::string json(length, '\0');
  source.read(json.data(), length);
  safetensors::Header header = safetensors::parse_header(json, size - 8 - length, path);
  SafeTensors out;
  out.path = path;
  out.metadata = std::move(header.metadata);
  for (const auto& [name, entry] : header.entries) {
    source.seek(8 + length + entry.begin);
    out.tensors.emplace(name, read_tensor(source, entry, name, path));
    if (entry.dtype == "F16" || entry.dtype == "I32" || entry.dtype == "BOOL") out.converted.emplace(name, entry.dtype);
  }
  return out;
}

const char* spelling(DType dtype) {
  switch (dtype) {
    case DType::f32: return "F32";
    case DType::f64: return "F64";
    case DType::bf16: return "BF16";
    case DType::i64: return "I64";
    case DType::u8: return "U8";
  }
  return "";
}

// Wider elements first: with a header of a multiple of 8 bytes every tensor is aligned. Names order equal widths.
std::vector<std::pair<std::string, Entry>> lay_out(const NamedTensors& tensors, const std::string& path) {
  std::vector<std::pair<std::string, Entry>> entries;
  uint64_t position = 0;
  for (const int64_t width : {8, 4, 2, 1}) {
    for (const auto& [name, tensor] : tensors) {
      check(tensor.defined(), path, ": tensor '", name, "' is undefined");
      if (size_of(tensor.dtype()) != width) continue;
      const uint64_t end = position + static_cast<uint64_t>(tensor.bytes());
      entries.emplace_back(name, Entry{spelling(tensor.dtype()), tensor.shape(), position, end});
      position = end;
    }
  }
  return entries;
}

// `write(pointer, bytes)` takes the file's parts in order.
template <class Write>
void write_contents(const Write& write, const std::string& path, const NamedTensors& tensors,
                    const std::map<std::string, std::string>& metadata) {
  const auto entries = lay_out(tensors, path);
  const std::string header = safetensors::write_header(entries, metadata, path);
  check(header.size() <= safetensors::kMaxHeaderBytes, path, ": header takes ", header.size(), " bytes, at most ",
        safetensors::kMaxHeaderBytes, " are allowed");
  const uint64_t length = header.size();
  write(&length, sizeof length);
  write(header.data(), length);
  for (const auto& entry : entries) {
    const Tensor tensor = tensors.at(entry.first).to(Device{}).contiguous();
    dispatch_any(tensor.dtype(),
                 [&](auto tag) { write(tensor.data<decltype(tag)>(), static_cast<uint64_t>(tensor.bytes())); });
  }
}

}  // namespace

const Tensor& SafeTensors::at(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found != tensors.end()) return found->second;
  std::string known;
  constexpr int kShown = 20;
  int shown = 0;
  for (const auto& item : tensors) {
    if (++shown > kShown) break;
    known += (known.empty() ? "" : ", ") + item.first;
  }
  fail(path, ": no tensor '", name, "'; the file has ", tensors.size(), ": ", known, shown > kShown ? ", ..." : "");
}

SafeTensors load_safetensors(const std::string& path) {
  // O_NONBLOCK: opening a named pipe must not wait for a writer; it has no effect on files.
  File file(path);
  return read(file, file.size(), shown(path));
}

SafeTensors parse_safetensors(std::span<const uint8_t> bytes, const std::string& name) {
  Memory memory(bytes);
  return read(memory, bytes.size(), name);
}

void save_safetensors(const std::string& path, const NamedTensors& tensors,
                      const std::map<std::string, std::string>& metadata) {
  const std::string beside = text(path, ".writing-", ::getpid());  // a name that nobody else's file has
  try {
    Output file(beside, O_WRONLY | O_CREAT | O_TRUNC);
    write_contents([&](const void* from, uint64_t bytes) { file.write(from, bytes); }, shown(path), tensors, metadata);
    file.flush_and_close();
    check(std::rename(beside.c_str(), path.c_str()) == 0, shown(path), ": cannot rename ", shown(beside), ": ",
          std::strerror(errno));
  } catch (...) {
    ::unlink(beside.c_str());
    throw;
  }
  const size_t slash = path.rfind('/');
  Output(slash == std::string::npos ? "." : path.substr(0, slash + 1), O_RDONLY).flush_directory();
}

std::vector<uint8_t> safetensors_bytes(const NamedTensors& tensors,
                                       const std::map<std::string, std::string>& metadata) {
  std::vector<uint8_t> out;
  const auto append = [&out](const void* from, uint64_t bytes) {
    const auto* begin = static_cast<const uint8_t*>(from);
    out.insert(out.end(), begin, begin + bytes);
  };
  write_contents(append, "safetensors", tensors, metadata);
  return out;
}

}  // namespace tessera

#include "io/zip_archive.h"

#include <zip.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "io/input_file.h"
#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseMember {
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};
namespace {

struct FreeSource {
  void operator()(zip_source_t* source) const { zip_source_free(source); }
};

// An error of libzip in words.
class ZipError {
 public:
  ZipError() { zip_error_init(&error_); }
  ~ZipError() { zip_error_fini(&error_); }
  ZipError(const ZipError&) = delete;
  ZipError& operator=(const ZipError&) = delete;

  zip_error_t* get() { return &error_; }
  std::string words() { return zip_error_strerror(&error_); }
  bool not_an_archive() const { return zip_error_code_zip(&error_) == ZIP_ER_NOZIP; }

 private:
  zip_error_t error_;
};

}  // namespace

struct ZipArchive::Archive {
  std::string path;
  uint64_t bytes = 0;
  std::unique_ptr<zip_t, CloseArchive> zip;
  std::vector<ZipMember> members;
  std::map<std::string, size_t, std::less<>> by_name;

  void open(zip_source_t* made, ZipError& error) {
    std::unique_ptr<zip_source_t, FreeSource> source(made);
    check(bytes > 0, path, ": is empty");  // libzip takes it for an archive without members
    check(source != nullptr, path, ": cannot read: ", error.words());
    zip.reset(zip_open_from_source(source.get(), ZIP_RDONLY, error.get()));
    check(zip != nullptr || !error.not_an_archive(), path, ": not a zip archive, or cut short");
    check(zip != nullptr, path, ": damaged zip archive: ", error.words());
    source.release();  // the archive owns it now
    list();
  }

  void list() {
    const zip_int64_t count = zip_get_num_entries(zip.get(), 0);
    for (zip_int64_t i = 0; i < count; ++i) {
      members.push_back(member(static_cast<uint64_t>(i)));
      const bool is_new = by_name.emplace(members.back().name, members.size() - 1).second;
      check(is_new, path, ": two members are named ", printable(members.back().name));
    }
  }

  ZipMember member(uint64_t index) {
    zip_stat_t stat;
    // ZIP_FL_ENC_RAW: the name's bytes as they are, without a guess at their encoding.
    const bool known = zip_stat_index(zip.get(), index, ZIP_FL_ENC_RAW, &stat) == 0;
    check(known, path, ": damaged zip archive: ", zip_strerror(zip.get()));
    constexpr uint64_t kNeeded =
        ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    check((stat.valid & kNeeded) == kNeeded, path, ": damaged zip archive: member ", index, " is not described");
    const std::string name = stat.name;
    check(stat.encryption_method == ZIP_EM_NONE, path, ": member ", printable(name), " is encrypted");
    const bool stored = stat.comp_method == ZIP_CM_STORE;
    check(stored || stat.comp_method == ZIP_CM_DEFLATE, path, ": member ", printable(name), " has compression method ",
          stat.comp_method, ", expected 0 (stored) or 8 (deflated)");
    check(stat.comp_size <= bytes, path, ": member ", printable(name), " takes ", stat.comp_size,
          " bytes, more than the archive's ", bytes);
    check(!stored || stat.size == stat.comp_size, path, ": member ", printable(name), " is stored in ", stat.comp_size,
          " bytes, but its size is ", stat.size);
    check(stat.size <= bytes, path, ": member ", printable(name), " would be ", stat.size,
          " bytes unpacked, more than the archive's ", bytes);
    return {name, index, stat.size, stored};
  }
};

ZipArchive::ZipArchive(const std::string& path) : archive_(std::make_unique<Archive>()) {
  archive_->path = shown(path);
  InputFile input(path);
  archive_->bytes = input.size();
  std::FILE* file = ::fdopen(input.release(), "rb");
  check(file != nullptr, "cannot open ", archive_->path, ": ", std::strerror(errno));
  ZipError error;
  zip_source_t* source = zip_source_filep_create(file, 0, 0, error.get());
  if (!source) std::fclose(file);
  archive_->open(source, error);
}

ZipArchive::ZipArchive(std::span<const uint8_t> bytes, const std::string& name)
    : archive_(std::make_unique<Archive>()) {
  archive_->path = name;
  archive_->bytes = bytes.size();
  ZipError error;
  archive_->open(zip_source_buffer_create(bytes.data(), bytes.size(), 0, error.get()), error);
}

ZipArchive::~ZipArchive() = default;
ZipArchive::ZipArchive(ZipArchive&&) noexcept = default;

const std::string& ZipArchive::path() const { return archive_->path; }
uint64_t ZipArchive::bytes() const { return archive_->bytes; }
const std::vector<ZipMember>& ZipArchive::members() const { return archive_->members; }

const ZipMember* ZipArchive::find(const std::string& name) const {
  const auto found = archive_->by_name.find(name);
  return found == archive_->by_name.end() ? nullptr : &archive_->members[found->second];
}

std::vector<uint8_t> ZipArchive::read(const ZipMember& member) const {
  Stream stream = open(member);
  std::vector<uint8_t> contents(member.size);
  stream.read(contents.data(), member.size);
  stream.finish();
  return contents;
}

struct ZipArchive::Stream::Handle {
  std::string path, name;
  std::unique_ptr<zip_file_t, CloseMember> file;

  // At most `bytes` bytes; 0 at the end.
  uint64_t read_some(void* to, uint64_t bytes) {
    const zip_int64_t count = zip_fread(file.get(), to, bytes);
    check(count >= 0, path, ": member ", printable(name), " cannot be read: ", zip_file_strerror(file.get()));
    return static_cast<uint64_t>(count);
  }
};

ZipArchive::Stream::Stream(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
ZipArchive::Stream::~Stream() = default;
ZipArchive::Stream::Stream(Stream&&) noexcept = default;

ZipArchive::Stream ZipArchive::open(const ZipMember& member) const {
  auto handle = std::make_unique<Stream::Handle>();
  handle->path = archive_->path;
  handle->name = member.name;
  handle->file.reset(zip_fopen_index(archive_->zip.get(), member.index, 0));
  check(handle->file != nullptr, archive_->path, ": member ", printable(member.name),
        " cannot be read: ", zip_strerror(archive_->zip.get()));
  return Stream(std::move(handle));
}

void ZipArchive::Stream::read(void* to, uint64_t bytes) {
  auto* out = static_cast<uint8_t*>(to);
  while (bytes > 0) {
    const uint64_t count = handle_->read_some(out, bytes);
    check(count > 0, handle_->path, ": member ", printable(handle_->name), " ends ", bytes, " bytes too early");
    out += count;
    bytes -= count;
  }
}

void ZipArchive::Stream::finish() {
  uint8_t beyond;
  check(handle_->read_some(&beyond, 1) == 0, handle_->path, ": member ", printable(handle_->name),
        " is longer than the archive's directory says");
}

}  // namespace tessera

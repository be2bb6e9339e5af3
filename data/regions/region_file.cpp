#include "data/regions/region_file.h"

#include <algorithm>

#include "data/shards/sources.h"
#include "io/printable.h"
#include "io/safetensors_header.h"
#include "io/strict_json.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using safetensors::Entry;

constexpr uint64_t kMostHeaderBytes = uint64_t{1} << 24;
constexpr int64_t kMostPixels = 1'000'000;  // of a side

struct Header {
  safetensors::Header header;
  uint64_t data = 0;  // where the tensors begin
};

Header read_header(InputFile& file, const std::string& path) {
  const uint64_t size = file.size();
  check(size >= 8, path, ": ", size, " bytes are too few for a file of regions");
  uint64_t length = 0;
  file.read(&length, sizeof length);
  check(length <= kMostHeaderBytes && length <= size - 8, path, ": header length is ", length, ", expected at most ",
        std::min(kMostHeaderBytes, size - 8), "; not a file of regions, or cut short");
  std::string json(length, '\0');
  file.read(json.data(), length);
  return {safetensors::parse_header(json, size - 8 - length, path), 8 + length};
}

RegionClasses class_names(const std::string& json, const std::string& path) {
  const std::string where = text(path, ", metadata 'classes'");
  const nlohmann::json list = parse_strict_json(json, where);
  check(list.is_array() && list.size() >= 2, where, ": expected an array of the background's and other classes' names");
  RegionClasses out;
  for (const nlohmann::json& name : list) {
    check(name.is_string(), where, ": entry ", out.size(), " is ", described_type(name), ", expected a string");
    out.push_back(name.get<std::string>());
  }
  return out;
}

const Entry& entry_of(const Header& header, const char* name, const std::string& path) {
  const auto found = header.header.entries.find(name);
  check(found != header.header.entries.end(), path, ": there is no tensor '", name, "'; not a file of regions?");
  return found->second;
}

// "[pictures, 2]" and such, against sizes that are known.
void check_entry(const Entry& entry, std::initializer_list<const char*> dtypes, const Shape& expected, const char* name,
                 const std::string& path) {
  const bool known = std::any_of(dtypes.begin(), dtypes.end(), [&](const char* dtype) { return entry.dtype == dtype; });
  check(known && entry.shape == expected, path, ": tensor '", name, "' is ", printable(entry.dtype), " ", entry.shape,
        ", expected ", *dtypes.begin(), dtypes.size() > 1 ? text(" or ", *(dtypes.end() - 1)) : "", " ", expected);
}

std::vector<std::string> files_of(const std::string& pattern) {
  check(!pattern.starts_with(kPipe), "regions: ", shown(pattern), " is a command, expected files");
  std::error_code unknown;
  if (!fs::is_directory(pattern, unknown)) return expand_shards(pattern);
  std::vector<std::string> out;
  for (const fs::directory_entry& entry : fs::directory_iterator(pattern))
    if (entry.path().extension() == ".safetensors") out.push_back(entry.path().string());
  check(!out.empty(), "regions: ", shown(pattern), ": the folder has no .safetensors");
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

std::string region_name(const fs::path& file, const fs::path& image_folder) {
  const fs::path relative = file.lexically_normal().lexically_relative(image_folder.lexically_normal());
  return relative.empty() || *relative.begin() == ".." ? file.generic_string() : relative.generic_string();
}

RegionFile::RegionFile(const fs::path& path) : file_(path), path_(shown(path)) {
  const Header header = read_header(file_, path_);
  const auto text_of = [&](const char* key) {
    const auto found = header.header.metadata.find(key);
    return found == header.header.metadata.end() ? std::string() : found->second;
  };
  check(text_of("format") == "tessera-regions-1", path_, ": metadata 'format' is ", printable(text_of("format")),
        ", expected 'tessera-regions-1'; not a file of regions?");
  classes_ = class_names(text_of("classes"), path_);
  detector_ = text_of("detector");
  const auto entry = [&](const char* name) -> const Entry& { return entry_of(header, name, path_); };
  const auto rows_of = [&](const char* name) { return entry(name).shape.dim() > 0 ? entry(name).shape[0] : 0; };
  const int64_t pictures = rows_of("name_ends"), regions = rows_of("boxes");
  const auto column = [&](const char* name, std::initializer_list<const char*> dtypes, const Shape& expected) {
    const Entry& found = entry(name);
    check_entry(found, dtypes, expected, name, path_);
    return Column{.begin = header.data + found.begin,
                  .dtype = found.dtype == "BF16"  ? DType::bf16
                           : found.dtype == "I64" ? DType::i64
                                                  : DType::f32,
                  .columns = expected.dim() > 1 ? expected[1] : 1};
  };
  const int64_t feature_size = entry("features").shape.dim() == 2 ? entry("features").shape[1] : 0;
  check(feature_size > 0, path_, ": tensor 'features' is ", entry("features").shape,
        ", expected [regions, at least one feature]");
  boxes_ = column("boxes", {"F32"}, {regions, 4});
  features_ = column("features", {"F32", "BF16"}, {regions, feature_size});
  distributions_ = column("distributions", {"F32", "BF16"}, {regions, static_cast<int64_t>(classes_.size())});
  confidences_ = column("confidences", {"F32"}, {regions});
  objects_ = column("objects", {"I64"}, {regions});
  const int64_t name_bytes = rows_of("names");
  read_index(column("names", {"U8"}, {name_bytes}), name_bytes, column("name_ends", {"I64"}, {pictures}),
             column("sizes", {"I64"}, {pictures, 2}), column("region_ends", {"I64"}, {pictures}), pictures, regions);
}

void RegionFile::read_index(const Column& names, int64_t name_bytes, const Column& name_ends, const Column& sizes,
                            const Column& region_ends, int64_t pictures, int64_t regions) {
  names_.resize(static_cast<size_t>(name_bytes));
  file_.seek(names.begin);
  file_.read(names_.data(), names_.size());
  const auto read = [&](const Column& column, std::vector<int64_t>& to) {
    to.resize(static_cast<size_t>(pictures * column.columns));
    file_.seek(column.begin);
    file_.read(to.data(), to.size() * sizeof(int64_t));
  };
  read(name_ends, name_ends_);
  read(sizes, sizes_);
  read(region_ends, region_ends_);
  int64_t name_end = 0, region_end = 0;
  for (size_t i = 0; i < name_ends_.size(); ++i) {
    check(name_ends_[i] > name_end && name_ends_[i] <= name_bytes, path_, ": picture ", i, ": its name goes from byte ",
          name_end, " to ", name_ends_[i], " of ", name_bytes);
    check(region_ends_[i] >= region_end && region_ends_[i] <= regions, path_, ": picture ", i, ": its regions go from ",
          region_end, " to ", region_ends_[i], " of ", regions);
    for (size_t k = 2 * i; k < 2 * i + 2; ++k)
      check(sizes_[k] >= 1 && sizes_[k] <= kMostPixels, path_, ": picture ", i, ": its size is ", sizes_[2 * i], " x ",
            sizes_[2 * i + 1], ", expected 1 to ", kMostPixels);
    name_end = name_ends_[i];
    region_end = region_ends_[i];
  }
  check(name_end == name_bytes && region_end == regions, path_, ": its pictures' names have ", name_end, " bytes of ",
        name_bytes, ", and their regions are ", region_end, " of ", regions);
}

std::string_view RegionFile::name(int64_t picture) const {
  const auto i = static_cast<size_t>(picture);
  const auto begin = static_cast<size_t>(i == 0 ? 0 : name_ends_.at(i - 1));
  return std::string_view(names_).substr(begin, static_cast<size_t>(name_ends_.at(i)) - begin);
}

int64_t RegionFile::count(int64_t picture) const {
  const auto i = static_cast<size_t>(picture);
  return region_ends_.at(i) - (i == 0 ? 0 : region_ends_[i - 1]);
}

Tensor RegionFile::rows(const Column& column, int64_t first, int64_t count) const {
  Tensor out = Tensor::empty({count, column.columns}, column.dtype);
  const uint64_t row = static_cast<uint64_t>(column.columns * size_of(column.dtype));
  const auto bytes = static_cast<uint64_t>(out.bytes());
  void* to = nullptr;
  dispatch_any(column.dtype, [&](auto tag) { to = out.mutable_data<decltype(tag)>(); });
  check(file_.read_at(column.begin + static_cast<uint64_t>(first) * row, to, bytes) == bytes, path_,
        ": the file has become shorter");
  return column.dtype == DType::bf16 ? out.to(DType::f32) : out;
}

Regions RegionFile::read(int64_t picture) const {
  const int64_t n = count(picture), first = region_ends_[static_cast<size_t>(picture)] - n;
  Regions out;
  out.height = sizes_[static_cast<size_t>(2 * picture)];
  out.width = sizes_[static_cast<size_t>(2 * picture + 1)];
  out.boxes = rows(boxes_, first, n);
  out.features = rows(features_, first, n);
  out.distributions = rows(distributions_, first, n);
  out.confidences = rows(confidences_, first, n).view({n});
  out.objects = rows(objects_, first, n).to_vector<int64_t>();
  check_regions(out, features(), static_cast<int64_t>(classes_.size()),
                text(path_, ": picture ", printable(name(picture))));
  return out;
}

RegionFiles::RegionFiles(const std::vector<std::string>& patterns) {
  std::vector<std::string> paths;
  for (const std::string& pattern : patterns) {
    const std::vector<std::string> found = files_of(pattern);
    paths.insert(paths.end(), found.begin(), found.end());
  }
  check(!paths.empty(), "regions: no files are named");
  for (const std::string& path : paths) {
    const RegionFile& file = files_.emplace_back(path);
    check(file.features() == features(), file.path(), ": ", file.features(), " features of a region, where ",
          files_.front().path(), " has ", features());
    check(file.classes() == classes(), file.path(), ": its classes are not those of ", files_.front().path());
    for (int64_t i = 0; i < file.pictures(); ++i) {
      const auto [there, is_new] = numbers_.try_emplace(file.name(i), pictures());
      check(is_new, file.path(), ": picture ", printable(file.name(i)), " is also in ",
            is_new ? "" : files_[places_[static_cast<size_t>(there->second)].file].path());
      places_.push_back({files_.size() - 1, i});
    }
  }
}

std::optional<int64_t> RegionFiles::find(std::string_view name) const {
  const auto found = numbers_.find(name);
  if (found == numbers_.end()) return std::nullopt;
  return found->second;
}

std::string_view RegionFiles::name(int64_t picture) const {
  const Place& place = places_.at(static_cast<size_t>(picture));
  return files_[place.file].name(place.picture);
}

int64_t RegionFiles::count(int64_t picture) const {
  const Place& place = places_.at(static_cast<size_t>(picture));
  return files_[place.file].count(place.picture);
}

Regions RegionFiles::read(int64_t picture) const {
  const Place& place = places_.at(static_cast<size_t>(picture));
  return files_[place.file].read(place.picture);
}

Regions RegionFiles::read(std::string_view name) const {
  const std::optional<int64_t> number = find(name);
  check(number.has_value(), "regions: there is no picture ", printable(name), " in ", files_.front().path(),
        files_.size() > 1 ? text(" and ", files_.size() - 1, " more files") : "");
  return read(*number);
}

}  // namespace tessera

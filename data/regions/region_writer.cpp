#include "data/regions/region_writer.h"

#include <array>
#include <nlohmann/json.hpp>

#include "data/regions/tensor_spool.h"
#include "io/output_file.h"
#include "io/printable.h"
#include "io/safetensors_header.h"

namespace tessera {

namespace fs = std::filesystem;

// Wider elements first, so that with a header of a multiple of 8 bytes every tensor is aligned.
struct RegionWriter::Shard {
  Shard(fs::path to, const RegionWriterOptions& options)
      : path(std::move(to)),
        name_ends(path, "name_ends", "I64", {}),
        objects(path, "objects", "I64", {}),
        region_ends(path, "region_ends", "I64", {}),
        sizes(path, "sizes", "I64", {2}),
        boxes(path, "boxes", "F32", {4}),
        confidences(path, "confidences", "F32", {}),
        distributions(path, "distributions", options.dtype == DType::bf16 ? "BF16" : "F32",
                      {static_cast<int64_t>(options.classes.size())}),
        features(path, "features", options.dtype == DType::bf16 ? "BF16" : "F32", {options.features}),
        names(path, "names", "U8", {}) {}

  std::array<TensorSpool*, 9> columns() {
    return {&name_ends, &objects, &region_ends, &sizes, &boxes, &confidences, &distributions, &features, &names};
  }
  uint64_t bytes() {
    uint64_t sum = 0;
    for (const TensorSpool* column : columns()) sum += column->bytes();
    return sum;
  }

  fs::path path;
  TensorSpool name_ends, objects, region_ends, sizes, boxes, confidences, distributions, features, names;
  int64_t regions = 0;
};

RegionWriter::RegionWriter(fs::path path, RegionWriterOptions options)
    : path_(std::move(path)), options_(std::move(options)) {
  check(options_.features > 0 && options_.classes.size() >= 2, shown(path_), ": regions of ", options_.features,
        " features and ", options_.classes.size(), " classes, expected at least 1 and 2");
  check(options_.dtype == DType::f32 || options_.dtype == DType::bf16, shown(path_), ": features of ", options_.dtype,
        ", expected f32 or bf16");
}

RegionWriter::~RegionWriter() = default;

fs::path RegionWriter::shard_path(const fs::path& path, int64_t number) {
  std::string digits = std::to_string(number);
  digits.insert(0, digits.size() < 6 ? 6 - digits.size() : 0, '0');
  fs::path out = path;
  out.replace_filename(path.stem().string() + "-" + digits + path.extension().string());
  return out;
}

void RegionWriter::add(const std::string& name, Regions regions) {
  const std::string where = text(shown(path_), ": picture ", printable(name));
  check(!name.empty(), where, ": a picture without a name");
  check_regions(regions, options_.features, static_cast<int64_t>(options_.classes.size()), where);
  check(names_.insert(name).second, where, " is there already");
  const int64_t n = regions.count();
  const auto classes = static_cast<int64_t>(options_.classes.size());
  const int64_t more =
      n * ((options_.features + classes) * size_of(options_.dtype) + 28) + 32 + static_cast<int64_t>(name.size());
  if (shard_ && options_.shard_bytes > 0 && shard_->bytes() + static_cast<uint64_t>(more) > options_.shard_bytes)
    write_shard();
  if (!shard_) {
    const auto number = options_.first_shard + static_cast<int64_t>(written_.size());
    shard_ = std::make_unique<Shard>(options_.shard_bytes > 0 ? shard_path(path_, number) : path_, options_);
  }
  shard_->regions += n;
  shard_->names.write(name.data(), name.size());
  shard_->name_ends.write(std::vector<int64_t>{static_cast<int64_t>(shard_->names.bytes())});
  shard_->sizes.write(std::vector<int64_t>{regions.height, regions.width});
  shard_->region_ends.write(std::vector<int64_t>{shard_->regions});
  shard_->boxes.write(regions.boxes);
  shard_->features.write(regions.features.to(options_.dtype));
  shard_->distributions.write(regions.distributions.to(options_.dtype));
  shard_->confidences.write(regions.confidences);
  shard_->objects.write(regions.objects);
}

void RegionWriter::write_shard() {
  std::vector<std::pair<std::string, safetensors::Entry>> entries;
  uint64_t position = 0;
  for (const TensorSpool* column : shard_->columns()) {
    entries.emplace_back(column->name(), column->entry(position));
    position += column->bytes();
  }
  std::string classes;
  try {
    classes = nlohmann::json(options_.classes).dump();
  } catch (const nlohmann::json::exception&) {
    fail(shown(path_), ": the name of a class is not valid UTF-8");
  }
  const std::string header = safetensors::write_header(
      entries, {{"classes", classes}, {"detector", options_.detector}, {"format", "tessera-regions-1"}}, shown(path_));
  OutputFile out(shard_->path);
  const uint64_t length = header.size();
  out.write({reinterpret_cast<const char*>(&length), sizeof length});
  out.write(header);
  for (TensorSpool* column : shard_->columns()) column->copy_to(out);
  out.put_in_place(Durability::power);
  written_.push_back(shard_->path);
  shard_.reset();
}

void RegionWriter::finish() {
  if (!shard_ && written_.empty() && options_.first_shard == 0)
    shard_ = std::make_unique<Shard>(options_.shard_bytes > 0 ? shard_path(path_, 0) : path_, options_);
  if (shard_) write_shard();
}

}  // namespace tessera

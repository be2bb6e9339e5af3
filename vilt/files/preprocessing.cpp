#include "vilt/files/preprocessing.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using JsonValue = nlohmann::json;

constexpr uint64_t kLargestFile = uint64_t{1} << 20;
constexpr int64_t kLargestSide = 16384, kLargestDivisor = 4096, kBicubic = 3;
constexpr int kDefaultDivisor = 32;
constexpr double kRescale = 1.0 / 255;

// The fields of one object; null is absent.
class Fields {
 public:
  Fields(const JsonValue& object, std::string where) : object_(object), where_(std::move(where)) {}

  const JsonValue* find(const char* field) const {
    const auto found = object_.find(field);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  [[noreturn]] void wrong(const char* field, const JsonValue& value, const std::string& expected) const {
    std::string got = value.dump(-1, ' ', true, JsonValue::error_handler_t::replace);
    if (got.size() > 60) got = got.substr(0, 60) + "...";
    fail(where_, ": field '", field, "' is ", got, ", expected ", expected);
  }

  bool truth(const char* field, bool otherwise) const {
    const JsonValue* value = find(field);
    if (!value) return otherwise;
    if (!value->is_boolean()) wrong(field, *value, "true or false");
    return value->get<bool>();
  }

  int whole(const char* field, const JsonValue& value, int64_t least, int64_t most) const {
    // Beyond 64 bits the parser makes a real number.
    const bool fits = value.is_number_integer() && (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX);
    const int64_t number = fits ? value.get<int64_t>() : -1;
    if (!fits || number < least || number > most)
      wrong(field, value, text("a whole number from ", least, " to ", most));
    return static_cast<int>(number);
  }

  // A number for all channels or one for each.
  std::array<float, 3> channels(const char* field, bool positive) const {
    std::array<float, 3> out;
    out.fill(0.5f);
    const JsonValue* value = find(field);
    if (!value) return out;
    if (!value->is_number() && !(value->is_array() && value->size() == 3)) wrong(field, *value, "a number or three");
    for (size_t c = 0; c < 3; ++c) {
      const JsonValue& one = value->is_array() ? (*value)[c] : *value;
      out[c] = one.is_number() ? one.get<float>() : NAN;
      if (!std::isfinite(out[c]) || (positive && out[c] <= 0))
        wrong(field, *value, positive ? "numbers more than 0" : "finite numbers");
    }
    return out;
  }

 private:
  const JsonValue& object_;
  std::string where_;
};

void check_type(const Fields& fields) {
  for (const char* field : {"image_processor_type", "feature_extractor_type"}) {
    const JsonValue* type = fields.find(field);
    if (type && !(type->is_string() && type->get_ref<const std::string&>().starts_with("Vilt")))
      fields.wrong(field, *type, "ViltImageProcessor: images of other models are prepared in another way");
  }
}

void read_size(const Fields& fields, SampleOptions& options) {
  if (const JsonValue* divisor = fields.find("size_divisor")) {
    options.size_divisor = fields.whole("size_divisor", *divisor, 1, kLargestDivisor);
    if (options.size_divisor % options.patch != 0)
      fields.wrong("size_divisor", *divisor, text("a multiple of the model's patch, ", options.patch));
  }
  if (const JsonValue* size = fields.find("size")) {
    const auto edge = size->find("shortest_edge");
    const bool has_edge = edge != size->end() && !edge->is_null();
    if (size->is_object() && !has_edge)
      fields.wrong("size", *size, "a whole number or {\"shortest_edge\": a whole number}");
    options.shorter = fields.whole("size", has_edge ? *edge : *size, options.size_divisor, kLargestSide);
  }
  if (options.shorter < options.size_divisor)  // the default size
    fields.wrong("size_divisor", options.size_divisor, text("at most the size, ", options.shorter));
  const JsonValue* resample = fields.find("resample");
  if (options.resize && resample && *resample != kBicubic)
    fields.wrong("resample", *resample, "3 (bicubic, the only one supported)");
}

void read_levels(const Fields& fields, SampleOptions& options) {
  if (!fields.truth("do_rescale", true)) fields.wrong("do_rescale", false, "true: levels are always scaled to 0..1");
  const JsonValue* factor = fields.find("rescale_factor");
  if (factor && !(factor->is_number() && std::abs(factor->get<double>() - kRescale) <= 1e-9))
    fields.wrong("rescale_factor", *factor, "1/255");
  options.norm.mean = fields.channels("image_mean", false);
  options.norm.std = fields.channels("image_std", true);
  if (fields.truth("do_normalize", true)) return;
  options.norm.mean.fill(0);
  options.norm.std.fill(1);
}

JsonValue parse_object(std::string_view json, const std::string& where) {
  JsonValue out = parse_strict_json(json, where);
  check(out.is_object(), where, ": not a JSON object");
  return out;
}

JsonValue read_object(const fs::path& file) {
  const std::vector<uint8_t> bytes = read_file(file, kLargestFile);
  return parse_object({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, shown(file));
}

SampleOptions from_object(const JsonValue& object, const std::string& where, int patch) {
  const Fields fields(object, where);
  check_type(fields);
  SampleOptions options = default_preprocessing(patch);
  options.resize = fields.truth("do_resize", true);
  options.respect_orientation = fields.truth("respect_orientation", false);
  read_size(fields, options);
  read_levels(fields, options);
  return options;
}

const JsonValue* image_processor(const JsonValue& object) {
  const auto found = object.find("image_processor");
  return found != object.end() && found->is_object() ? &*found : nullptr;
}

}  // namespace

SampleOptions default_preprocessing(int patch) {
  check(patch >= 1 && patch <= kLargestDivisor, "preprocessing: patches of ", patch, " pixels, expected 1 to ",
        kLargestDivisor);
  SampleOptions options;
  options.patch = patch;
  options.size_divisor = (kDefaultDivisor + patch - 1) / patch * patch;
  return options;
}

SampleOptions preprocessing_from_json(std::string_view json, const std::string& where, int patch) {
  const JsonValue object = parse_object(json, where);
  const JsonValue* inner = image_processor(object);
  return from_object(inner ? *inner : object, where, patch);
}

SampleOptions read_preprocessing(const fs::path& file, int patch) {
  const std::vector<uint8_t> bytes = read_file(file, kLargestFile);
  return preprocessing_from_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, shown(file), patch);
}

std::optional<SampleOptions> find_preprocessing(const fs::path& directory, int patch) {
  if (const fs::path file = directory / "preprocessor_config.json"; fs::exists(file))
    return read_preprocessing(file, patch);
  const fs::path file = directory / "processor_config.json";
  if (!fs::exists(file)) return std::nullopt;
  const JsonValue object = read_object(file);
  const JsonValue* inner = image_processor(object);
  if (!inner) return std::nullopt;
  return from_object(*inner, shown(file), patch);
}

std::string preprocessing_json(const SampleOptions& options) {
  nlohmann::ordered_json out;
  out["do_normalize"] = true;
  out["do_pad"] = true;
  out["do_rescale"] = true;
  out["do_resize"] = options.resize;
  out["image_mean"] = options.norm.mean;
  out["image_processor_type"] = "ViltImageProcessor";
  out["image_std"] = options.norm.std;
  out["resample"] = kBicubic;
  if (options.respect_orientation) out["respect_orientation"] = true;
  out["rescale_factor"] = kRescale;
  out["size"] = {{"shortest_edge", options.shorter}};
  out["size_divisor"] = options.divisor();
  return out.dump(2) + "\n";
}

}  // namespace tessera

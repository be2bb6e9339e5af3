#include "models/vse/stored_features.h"

#include <nlohmann/json.hpp>

#include "io/printable.h"
#include "io/safetensors.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {

namespace fs = std::filesystem;

StoredFeatures::StoredFeatures(const fs::path& file, fs::path image_folder)
    : name_(shown(file)), folder_(std::move(image_folder)) {
  const SafeTensors stored = load_safetensors(file.string());
  const auto list = stored.metadata.find("pictures");
  const char* tensor = stored.contains("vectors") ? "vectors" : "features";
  check(list != stored.metadata.end() && stored.contains(tensor), name_,
        ": no features of pictures, expected a tensor 'vectors' or 'features' and a list 'pictures' in the metadata");
  features_ = stored.at(tensor);
  const nlohmann::json names = parse_strict_json(list->second, name_);
  check(features_.dtype() == DType::f32 && features_.dim() == 2 && features_.size(1) > 0 && names.is_array() &&
            static_cast<int64_t>(names.size()) == features_.size(0),
        name_, ": '", tensor, "' is ", describe(features_), " and 'pictures' has ", names.size(),
        " entries, expected f32 [pictures, size]");
  for (const nlohmann::json& entry : names) {
    const auto name = entry.is_object()   ? JsonFields(entry, name_).string("name")
                      : entry.is_string() ? entry.get<std::string>()
                                          : "";
    check(!name.empty(), name_, ": 'pictures' has an entry without a name");
    check(rows_.emplace(name, static_cast<int64_t>(rows_.size())).second, name_, ": ", printable(name),
          " is there twice");
  }
}

void StoredFeatures::append(const fs::path& picture, std::vector<float>& out) const {
  const std::string name = picture.lexically_normal().lexically_relative(folder_.lexically_normal()).generic_string();
  const auto row = rows_.find(name);
  check(row != rows_.end(), name_, ": has no features of ", printable(name));
  const float* values = features_.data<float>() + row->second * size();
  out.insert(out.end(), values, values + size());
}

}  // namespace tessera

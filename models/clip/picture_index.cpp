#include "models/clip/picture_index.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "io/printable.h"
#include "io/safetensors.h"
#include "io/strict_json.h"

namespace tessera {

namespace fs = std::filesystem;
using nlohmann::json;

PictureIndex PictureIndex::read(const fs::path& file) { return parse(load_safetensors(file.string()), shown(file)); }

PictureIndex PictureIndex::parse(const SafeTensors& stored, const std::string& where) {
  const auto entries = stored.metadata.find("pictures"), model = stored.metadata.find("model");
  check(entries != stored.metadata.end() && model != stored.metadata.end() && stored.contains("vectors"), where,
        ": not an index of pictures");
  PictureIndex out;
  out.model = model->second;
  out.vectors = stored.at("vectors");
  const json list = parse_strict_json(entries->second, where);
  check(list.is_array(), where, ": 'pictures' is no list");
  for (const json& each : list) {
    const JsonFields fields(each, where);
    out.entries.push_back({fields.string("name"), fields.integer("bytes"), fields.integer("changed")});
  }
  check(out.vectors.dtype() == DType::f32 && out.vectors.dim() == 2 &&
            out.vectors.size(0) == static_cast<int64_t>(out.entries.size()),
        where, ": ", out.entries.size(), " pictures, but the vectors are ", describe(out.vectors));
  const int64_t size = out.vectors.size(1);
  const float* values = out.vectors.data<float>();
  for (int64_t i = 0; i < out.vectors.numel(); ++i)
    check(std::isfinite(values[i]), where, ": the vector of ",
          quoted_text(out.entries[static_cast<size_t>(i / size)].name), " holds ", values[i], ", expected numbers");
  return out;
}

void PictureIndex::write(const fs::path& file) const {
  json list = json::array();
  for (const Entry& entry : entries)
    list.push_back({{"name", entry.name}, {"bytes", entry.bytes}, {"changed", entry.changed}});
  save_safetensors(file.string(), {{"vectors", vectors}},
                   {{"pictures", list.dump(-1, ' ', false, json::error_handler_t::replace)}, {"model", model}});
}

std::vector<Hit> nearest(const Tensor& vectors, const Tensor& query, int64_t top) {
  check(vectors.dim() == 2 && query.numel() == vectors.size(1), "search: vectors are ", vectors.shape(),
        ", the query is ", query.shape());
  const int64_t count = vectors.size(0), size = vectors.size(1);
  const float *rows = vectors.data<float>(), *of = query.data<float>();
  std::vector<Hit> hits(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    double cosine = 0;
    for (int64_t k = 0; k < size; ++k) cosine += double{rows[i * size + k]} * of[k];
    hits[static_cast<size_t>(i)] = {i, static_cast<float>(cosine)};
  }
  const auto better = [](const Hit& a, const Hit& b) {
    const bool known_a = !std::isnan(a.cosine), known_b = !std::isnan(b.cosine);
    if (known_a != known_b) return known_a;
    return known_a && a.cosine != b.cosine ? a.cosine > b.cosine : a.row < b.row;
  };
  const auto kept = static_cast<std::ptrdiff_t>(std::min(top, count));
  std::partial_sort(hits.begin(), hits.begin() + kept, hits.end(), better);
  hits.resize(static_cast<size_t>(kept));
  return hits;
}

}  // namespace tessera

#include "models/clip/index_pictures.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "tensor/parallel.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

// A file that is not there any more has size -1.
PictureIndex::Entry entry_of(const fs::path& folder, const std::string& name) {
  std::error_code failed;
  const fs::path file = folder / name;
  PictureIndex::Entry entry{name, -1, 0};
  const auto size = fs::file_size(file, failed);
  if (failed) return entry;
  const auto changed = fs::last_write_time(file, failed);
  if (failed) return entry;
  entry.bytes = static_cast<int64_t>(size);
  entry.changed = std::chrono::duration_cast<std::chrono::nanoseconds>(changed.time_since_epoch()).count();
  return entry;
}

}  // namespace

IndexUpdate index_pictures(const ClipEmbedder& embedder, const fs::path& folder, const std::vector<std::string>& names,
                           const PictureIndex& known, int64_t batch,
                           const std::function<void(int64_t done, int64_t total)>& progress,
                           const std::function<void(const std::string& line)>& report) {
  check(batch >= 1, "index: batches of ", batch, ", expected at least 1");
  IndexUpdate out;
  out.index.model = embedder.fingerprint();
  const int64_t size = embedder.model().config.projection_dim;
  std::map<std::string, size_t> rows;
  if (known.model == out.index.model && known.vectors.defined() && known.vectors.size(1) == size)
    for (size_t i = 0; i < known.entries.size(); ++i) rows.emplace(known.entries[i].name, i);

  struct Row {
    PictureIndex::Entry entry;
    std::vector<float> vector;
  };
  std::vector<Row> found;
  std::vector<PictureIndex::Entry> fresh;
  for (const std::string& name : names) {
    const PictureIndex::Entry entry = entry_of(folder, name);
    const auto row = rows.find(name);
    const bool same = row != rows.end() && known.entries[row->second].bytes == entry.bytes &&
                      known.entries[row->second].changed == entry.changed;
    if (same)
      found.push_back({entry, known.vectors.select(0, static_cast<int64_t>(row->second)).to_vector<float>()});
    else
      fresh.push_back(entry);
  }

  for (size_t first = 0; first < fresh.size(); first += static_cast<size_t>(batch)) {
    const size_t count = std::min(static_cast<size_t>(batch), fresh.size() - first);
    std::vector<PreparedPicture> prepared(count);
    std::vector<std::string> errors(count);
    parallel_for(static_cast<int64_t>(count), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const auto k = static_cast<size_t>(i);
        try {
          prepared[k] = embedder.prepared(folder / fresh[first + k].name);
        } catch (const std::exception& error) {
          errors[k] = error.what();
        }
      }
    });
    std::vector<PreparedPicture> good;
    std::vector<size_t> places;
    for (size_t k = 0; k < count; ++k) {
      if (errors[k].empty()) {
        places.push_back(first + k);
        good.push_back(std::move(prepared[k]));
      } else {
        ++out.left_out;
        if (report) report(errors[k]);
      }
    }
    const Tensor vectors = good.empty() ? Tensor() : embedder.pictures(good);
    for (size_t k = 0; k < good.size(); ++k)
      found.push_back({fresh[places[k]], vectors.select(0, static_cast<int64_t>(k)).to_vector<float>()});
    out.computed += static_cast<int64_t>(good.size());
    if (progress) progress(static_cast<int64_t>(first + count), static_cast<int64_t>(fresh.size()));
  }

  // In the order of the names, whatever was known before.
  std::sort(found.begin(), found.end(), [](const Row& a, const Row& b) { return a.entry.name < b.entry.name; });
  std::vector<float> values;
  for (Row& row : found) {
    out.index.entries.push_back(std::move(row.entry));
    values.insert(values.end(), row.vector.begin(), row.vector.end());
  }
  out.index.vectors = Tensor::from(values, {static_cast<int64_t>(found.size()), size});
  return out;
}

}  // namespace tessera

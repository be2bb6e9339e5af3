#include "data/inspection/units.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

#include "data/shards/sample.h"
#include "data/shards/shard_index.h"
#include "data/shards/sources.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/sha256.h"
#include "io/unpacking.h"
#include "tensor/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

std::string identity_of(const fs::path& file) {
  std::error_code unknown;
  const uint64_t bytes = fs::file_size(file, unknown);
  if (unknown) return {};
  const auto time = fs::last_write_time(file, unknown);
  if (unknown) return {};
  return text(bytes, " bytes, ", time.time_since_epoch().count());
}

InspectedSample whole_shard(const std::string& shard, std::string reason, std::string detail) {
  InspectedSample out;
  out.name = shard;
  out.reason = std::move(reason);
  out.detail = std::move(detail);
  out.is_sample = false;
  return out;
}

// Reads the samples, and every byte: behind the archive's end, too.
void read_samples(const std::string& shard, const TextPieces& pieces, const InspectSample& inspect) {
  ShardOptions options;
  options.on_skipped = [&](const SkippedMember& member) {
    if (member.kind == SkippedMember::Kind::ignored) return;
    const std::string kind = member.reason.starts_with("too large") ? "too large" : member.reason;
    inspect(whole_shard(shard + ": " + member.name, "member left out: " + kind, member.reason));
  };
  ShardReader reader(pieces, shown(shard), options);
  while (const auto sample = reader.next()) {
    const ImageText pair = image_text(*sample);
    InspectedSample out;
    out.name = shard + ": " + sample->key;
    out.reason = pair.unusable;
    if (pair.unusable.empty()) {
      out.picture = pair.image->data;
      out.captions = all_captions(*sample, pair);
    }
    inspect(out);
  }
  if (!reader.error().empty()) inspect(whole_shard(shard, "the shard cannot be read on", reader.error()));
}

void inspect_shard(const std::string& shard, const InspectSample& inspect) {
  if (shard.starts_with(kPipe)) return read_samples(shard, open_shard(shard), inspect);
  const auto summary = read_shard_summary(shard);
  const auto hash = std::make_shared<Sha256>();
  const TextPieces raw = [pieces = file_pieces(shard), hash, wanted = summary.has_value()] {
    const std::string_view piece = pieces();
    if (wanted) hash->add(piece);
    return piece;
  };
  read_samples(shard, unpacked(raw, shown(shard)), inspect);
  if (!summary) return;
  while (!raw().empty()) {
  }
  const std::string found = hash->hexadecimal();
  if (found != summary->sha256)
    inspect(whole_shard(shard, "the shard's checksum is not that of its index",
                        text(shown(shard), ": SHA-256 ", found, ", expected ", summary->sha256)));
}

std::string as_text(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

void inspect_pictures(const Dataset& dataset, int64_t begin, int64_t end, const InspectSample& inspect) {
  for (int64_t i = begin; i < end; ++i) {
    const DatasetImage& image = dataset.images()[static_cast<size_t>(i)];
    InspectedSample out;
    out.name = image.file;
    for (int64_t s = 0; s < image.sentence_count; ++s)
      out.captions.emplace_back(dataset.sentences()[static_cast<size_t>(image.first_sentence + s)].text);
    try {
      out.picture = as_text(dataset.read_picture(i));
      if (out.picture.empty()) out.reason = "empty image";
    } catch (const Error& error) {
      std::error_code unknown;
      out.reason =
          image.shards > 0 || fs::exists(image.path(), unknown) ? "the file cannot be read" : "the file is missing";
      out.detail = error.what();
    }
    inspect(out);
  }
}

// Of the files of these pictures: their names, sizes and times.
std::string identity_of(const Dataset& dataset, int64_t begin, int64_t end) {
  Sha256 hash;
  for (int64_t i = begin; i < end; ++i) {
    const DatasetImage& image = dataset.images()[static_cast<size_t>(i)];
    hash.add(text(image.file.size(), ' ', image.file, ' ', identity_of(image.path()), '\n'));
  }
  return hash.hexadecimal();
}

}  // namespace

std::vector<InspectionUnit> shard_units(const std::vector<std::string>& shards) {
  std::vector<InspectionUnit> units;
  for (const std::string& shard : shards)
    units.push_back(
        {shard, shard.starts_with(kPipe) ? "" : identity_of(fs::path(shard)), [shard](const InspectSample& inspect) {
           try {
             inspect_shard(shard, inspect);
           } catch (const Error& error) {
             inspect(whole_shard(shard, "the shard cannot be read", error.what()));
           }
         }});
  return units;
}

std::vector<InspectionUnit> dataset_units(const Dataset& dataset, const std::string& name, int64_t pictures_of_unit) {
  std::vector<InspectionUnit> units;
  const auto images = static_cast<int64_t>(dataset.images().size());
  for (int64_t begin = 0; begin < images; begin += pictures_of_unit) {
    const int64_t end = std::min(begin + pictures_of_unit, images);
    units.push_back(
        {text(name, ": pictures ", begin, " to ", end - 1), identity_of(dataset, begin, end),
         [&dataset, begin, end](const InspectSample& inspect) { inspect_pictures(dataset, begin, end, inspect); }});
  }
  return units;
}

void for_each_unit(int64_t count, int threads, const std::function<void(int64_t)>& work,
                   const ProgressCallback& progress) {
  std::mutex mutex;
  std::condition_variable changed;
  std::exception_ptr error;
  int64_t next = 0, done = 0, running = 0;
  const auto take = [&] {
    std::unique_lock lock(mutex);
    while (next < count && !error) {
      const int64_t unit = next++;
      ++running;
      lock.unlock();
      std::exception_ptr thrown;
      try {
        work(unit);
      } catch (...) {
        thrown = std::current_exception();
      }
      lock.lock();
      --running;
      ++done;
      if (thrown && !error) error = thrown;
      changed.notify_one();
    }
  };
  {
    std::vector<std::jthread> pool;
    for (int i = 0; i < std::max(1, threads); ++i) pool.emplace_back(take);
    std::unique_lock lock(mutex);
    while (running > 0 || (next < count && !error)) {
      changed.wait_for(lock, std::chrono::milliseconds(200));
      const int64_t so_far = done;
      lock.unlock();
      if (progress) progress(so_far, count);
      lock.lock();
    }
  }
  if (error) std::rethrow_exception(error);
  if (progress) progress(count, count);
}

}  // namespace tessera

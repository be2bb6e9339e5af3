// The files of the built-in data set.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include <signal.h>
#include <unistd.h>

#include "data/scenes/scenes.h"
#include "io/files.h"
#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {

namespace fs = std::filesystem;

namespace {

constexpr int kGeneratorVersion = 1;  // to be raised whenever a seed gives other files than before
constexpr int64_t kMostScenes = 1'000'000;
constexpr int kJpegQuality = 95;

// What a run of consecutive scenes adds to the two text files.
struct Records {
  std::string karpathy, annotations;
};

struct Chunk {
  ScenesSplit split{};
  int64_t begin = 0, end = 0;  // indices in the split
  int64_t first_id = 0;        // id of `begin`
};

std::string manifest_of(const ScenesOptions& options) {
  std::ostringstream out;
  out << "{\"generator\": \"tessera scenes\", \"version\": " << kGeneratorVersion << ", \"kind\": \""
      << name(options.kind) << "\", \"seed\": " << options.seed;
  for (const ScenesSplit split : kScenesSplits) out << ", \"" << name(split) << "\": " << options.count(split);
  out << "}\n";
  return out.str();
}

std::string readme_of(const ScenesOptions& options) {
  return text("Coloured shapes with captions, drawn by a program: `vilt scenes` of Tessera, ", name(options.kind),
              ", seed ", options.seed, ".\n\n", "Settings: `",
              manifest_of(options).substr(0, manifest_of(options).size() - 1), "`\n\n",
              "* `dataset.json`: captions and splits in the COCO-Karpathy layout; the image folder is `images`.\n"
              "* `annotations.jsonl`: per caption the sibling image (the same scene with one thing changed), what was "
              "changed,\n"
              "  the words that say something, the objects with their boxes, and a group.\n"
              "* `images/`: JPEG, quality ",
              kJpegQuality,
              ", full chroma resolution.\n\n"
              "The files are a function of these settings. Five combinations of colour and shape occur in "
              "`test_unseen` only:\n",
              [] {
                std::string list;
                for (size_t i = 0; i < scenes::kUnseenColour.size(); ++i)
                  list += text("* ", scenes::kUnseenColour[i], " ", scenes::kShapeNames[i], "\n");
                return list;
              }());
}

std::string file_number(int64_t index) {
  std::string digits = std::to_string(index);
  return std::string(6 - std::min<size_t>(6, digits.size()), '0') + digits + ".jpg";
}

// Captions are plain lower-case words: nothing in them needs an escape.
void append_karpathy(std::string& out, const Scene& scene, ScenesSplit split, int64_t index, int64_t id) {
  std::string tokens;
  std::istringstream words(scene.caption);
  for (std::string word; words >> word;) tokens += text(tokens.empty() ? "\"" : ", \"", word, "\"");
  out +=
      text("{\"imgid\": ", id, ", \"split\": \"", name(split), "\", \"filepath\": \"", name(split),
           "\", \"filename\": \"", file_number(index), "\", \"sentids\": [", id, "], \"sentences\": [{\"sentid\": ", id,
           ", \"imgid\": ", id, ", \"raw\": \"", scene.caption, "\", \"tokens\": [", tokens, "]}]}");
}

void append_annotation(std::string& out, const Scene& scene, int64_t id) {
  out += text("{\"sentid\": ", id, ", \"sibling\": ", id ^ 1, ", \"difference\": \"", name(scene.difference),
              "\", \"group\": \"", scene.group, "\", \"content_words\": [");
  for (size_t i = 0; i < scene.content_words.size(); ++i) {
    const ContentWord& word = scene.content_words[i];
    out += text(i > 0 ? ", " : "", "{\"begin\": ", word.begin, ", \"end\": ", word.end, ", \"kind\": \"", word.kind,
                "\", \"object\": ", word.object, "}");
  }
  out += "], \"objects\": [";
  for (size_t i = 0; i < scene.squares.size(); ++i) {
    const scenes::Square& square = scene.squares[i];
    const scenes::ObjectDescription& object = scene.description.objects[i];
    out += text(i > 0 ? ", " : "", "{\"box\": [", square.x, ", ", square.y, ", ", square.side, ", ", square.side,
                "], \"attributes\": {\"colour\": \"", scenes::kColours[static_cast<size_t>(object.colour)].name,
                "\", \"shape\": \"", scenes::kShapeNames[static_cast<size_t>(object.shape)], "\"}}");
  }
  out += "]}\n";
}

// Plain writing: the whole directory is renamed into place when everything is in it.
void write_plainly(const fs::path& path, const char* bytes, size_t size) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes, static_cast<std::streamsize>(size));
  out.close();
  check(out.good(), "scenes: ", shown(path), ": cannot be written (is the disk full?)");
}

Records write_chunk(const fs::path& directory, const ScenesOptions& options, const Chunk& chunk) {
  Records records;
  for (int64_t index = chunk.begin; index < chunk.end; ++index) {
    const int64_t id = chunk.first_id + index - chunk.begin;
    const Scene scene = generate_scene(options, chunk.split, index);
    // Full chroma resolution: the arms of a small cross are five pixels wide, and halving would mix their colour with
    // the background's. At quality 95 the error stays below the noise that is drawn in.
    const std::vector<uint8_t> jpeg = encode_jpeg(scene.image, kJpegQuality, Chroma::full);
    write_plainly(directory / "images" / name(chunk.split) / file_number(index),
                  reinterpret_cast<const char*>(jpeg.data()), jpeg.size());
    if (id > 0) records.karpathy += ",\n";
    append_karpathy(records.karpathy, scene, chunk.split, index, id);
    append_annotation(records.annotations, scene, id);
  }
  return records;
}

std::vector<Chunk> cut(const ScenesOptions& options) {
  constexpr int64_t kChunk = 128;
  std::vector<Chunk> chunks;
  int64_t id = 0;
  for (const ScenesSplit split : kScenesSplits)
    for (int64_t begin = 0; begin < options.count(split); begin += kChunk) {
      const int64_t end = std::min(begin + kChunk, options.count(split));
      chunks.push_back({split, begin, end, id});
      id += end - begin;
    }
  return chunks;
}

// Threads take chunks in turn; each chunk's text has its own place, so the order of work leaves no trace.
class Writer {
 public:
  Writer(const fs::path& directory, const ScenesOptions& options)
      : directory_(directory), options_(options), chunks_(cut(options)), records_(chunks_.size()) {}

  void run(const ProgressCallback& progress) {
    const int64_t total = chunks_.empty() ? 0 : chunks_.back().first_id + chunks_.back().end - chunks_.back().begin;
    const int threads =
        options_.threads > 0 ? options_.threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    {
      std::vector<std::jthread> pool;
      const Stop stop{*this};  // before the threads are joined, also when `progress` throws
      for (int i = 0; i < threads; ++i) pool.emplace_back([this] { work(); });
      std::unique_lock lock(mutex_);
      while (done_ < total && !error_) {
        changed_.wait_for(lock, std::chrono::milliseconds(200));
        const int64_t done = done_;
        lock.unlock();
        if (progress) progress(done, total);
        lock.lock();
      }
    }
    if (error_) std::rethrow_exception(error_);
    write_texts();
  }

 private:
  struct Stop {
    Writer& writer;
    ~Stop() { writer.next_ = writer.chunks_.size(); }
  };

  void work() {
    try {
      for (size_t i = next_++; i < chunks_.size(); i = next_++) {
        records_[i] = write_chunk(directory_, options_, chunks_[i]);
        const std::lock_guard lock(mutex_);
        done_ += chunks_[i].end - chunks_[i].begin;
        changed_.notify_one();
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      next_ = chunks_.size();
      changed_.notify_one();
    }
  }

  void write_texts() const {
    std::string karpathy = "{\"dataset\": \"" + std::string(name(options_.kind)) + "\", \"images\": [\n", annotations;
    for (const Records& records : records_) {
      karpathy += records.karpathy;
      annotations += records.annotations;
    }
    karpathy += "\n]}\n";
    const std::string manifest = manifest_of(options_), readme = readme_of(options_);
    write_plainly(directory_ / "dataset.json", karpathy.data(), karpathy.size());
    write_plainly(directory_ / "annotations.jsonl", annotations.data(), annotations.size());
    write_plainly(directory_ / "README.md", readme.data(), readme.size());
    write_plainly(directory_ / "manifest.json", manifest.data(), manifest.size());
  }

  fs::path directory_;
  const ScenesOptions& options_;
  std::vector<Chunk> chunks_;
  std::vector<Records> records_;
  std::atomic<size_t> next_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t done_ = 0;
  std::exception_ptr error_;
};

void check_options(const ScenesOptions& options) {
  int64_t total = 0;
  for (const ScenesSplit split : kScenesSplits) {
    const int64_t count = options.count(split);
    check(count % 2 == 0 && count <= kMostScenes, "scenes: split ", name(split), " has ", count,
          " scenes, expected an even number (scenes come in pairs) of at most ", kMostScenes);
    total += count;
  }
  check(total > 0, "scenes: no scenes are asked for");
}

bool complete(const fs::path& directory, const ScenesOptions& options) {
  for (const char* file : {"dataset.json", "annotations.jsonl"})
    if (!fs::is_regular_file(directory / file)) return false;
  for (const ScenesSplit split : kScenesSplits) {
    const fs::path folder = directory / "images" / name(split);
    if (!fs::is_directory(folder) || std::distance(fs::directory_iterator(folder), {}) != options.count(split))
      return false;
  }
  return true;
}

// Whether what is there is what is asked for. Throws where it must not be replaced.
bool keep_existing(const fs::path& directory, const ScenesOptions& options) {
  if (!fs::exists(directory) || (fs::is_directory(directory) && fs::is_empty(directory))) return false;
  std::string manifest;
  if (fs::is_regular_file(directory / "manifest.json")) {
    const std::vector<uint8_t> bytes = read_file(directory / "manifest.json");
    manifest.assign(bytes.begin(), bytes.begin() + std::min<ptrdiff_t>(std::ssize(bytes), 4096));
  }
  check(manifest.starts_with("{\"generator\": \"tessera scenes\""), "scenes: ", shown(directory),
        " exists and is no data set written by `vilt scenes`; name another directory");
  if (options.force) return false;
  const std::string expected = manifest_of(options);
  check(manifest == expected, "scenes: ", shown(directory), " holds a data set with other settings, ",
        manifest.substr(0, manifest.find('\n')), ", asked for ", expected.substr(0, expected.size() - 1),
        "; replace it with --force or name another directory");
  check(complete(directory, options), "scenes: ", shown(directory),
        " has lost some of its files; write it anew with --force");
  return true;
}

// What a killed process has left beside the directory.
void remove_leftovers(const fs::path& parent, const std::string& prefix) {
  for (const fs::directory_entry& entry : fs::directory_iterator(parent)) {
    const std::string file = entry.path().filename().string();
    if (!file.starts_with(prefix)) continue;
    const std::string digits = file.substr(prefix.size());
    if (digits.empty() || digits.size() > 9 || digits.find_first_not_of("0123456789") != std::string::npos) continue;
    if (kill(std::stoi(digits), 0) != 0 && errno == ESRCH) fs::remove_all(entry.path());
  }
}

// A directory that vanishes unless it is renamed.
struct Temporary {
  fs::path path;
  ~Temporary() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

}  // namespace

ScenesResult write_scenes(const fs::path& directory, const ScenesOptions& options,
                          const ProgressCallback& progress) try {
  check_options(options);
  fs::path target = fs::absolute(directory).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();  // "data/" means "data"
  if (keep_existing(target, options)) return ScenesResult::kept;

  fs::create_directories(target.parent_path());
  const fs::path beside = target.parent_path();
  const std::string partial_prefix = target.filename().string() + ".partial-";
  const std::string replaced_prefix = target.filename().string() + ".replaced-";
  remove_leftovers(beside, partial_prefix);
  remove_leftovers(beside, replaced_prefix);
  const Temporary partial{beside / (partial_prefix + std::to_string(getpid()))};
  fs::remove_all(partial.path);
  for (const ScenesSplit split : kScenesSplits) fs::create_directories(partial.path / "images" / name(split));
  Writer(partial.path, options).run(progress);

  const Temporary replaced{beside / (replaced_prefix + std::to_string(getpid()))};
  if (fs::exists(target) && !fs::is_empty(target)) fs::rename(target, replaced.path);
  fs::rename(partial.path, target);
  return ScenesResult::written;
} catch (const fs::filesystem_error& error) {
  fail("scenes: ", shown(directory), ": ", error.code().message());
}

}  // namespace tessera

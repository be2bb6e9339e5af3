#include "train/tensorboard_file.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char *kEventPrefix = "events.out.tfevents.", *kEventSuffix = ".tessera";

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::vector<fs::path> event_files(const fs::path& run) {
  std::vector<fs::path> out;
  for (const fs::directory_entry& entry : fs::directory_iterator(run)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kEventPrefix) && name.ends_with(kEventSuffix)) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

void add_numbers(const json& object, const std::string& prefix, Event& event) {
  for (const auto& [name, value] : object.items()) {
    if (value.is_object())
      add_numbers(value, prefix + name + "/", event);
    else if (value.is_number() && name != "step")
      event.scalars.emplace_back(prefix + name, value.get<float>());
  }
}

}  // namespace

TensorboardFile::TensorboardFile(const fs::path& run, int64_t resume_step) {
  const std::vector<fs::path> files = event_files(run);
  std::string kept;
  if (!files.empty() && resume_step > 0) {
    path_ = files.back();
    const std::vector<uint8_t> bytes = read_file(path_);
    const std::string_view contents(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for (const EventRecord& record : read_event_records(contents))
      if (record.step <= resume_step)
        kept += contents.substr(static_cast<size_t>(record.begin), static_cast<size_t>(record.end - record.begin));
  } else {
    remove(run);
    path_ = run / text(kEventPrefix, static_cast<int64_t>(seconds_now()), kEventSuffix);
  }
  if (kept.empty()) {
    Event first;
    first.wall_time = seconds_now();
    first.file_version = "brain.Event:2";
    first.writer = "tessera";
    kept = event_record(first);
  }
  write_file_atomically(path_, kept);
  out_.open(path_, std::ios::app | std::ios::binary);
  check(out_.good(), shown(path_), ": cannot be written");
}

void TensorboardFile::write(const std::string& row) {
  const json numbers = json::parse(row);
  Event event;
  event.wall_time = seconds_now();
  event.step = numbers.at("step").get<int64_t>();
  const auto evaluation = numbers.find("evaluation");
  if (evaluation != numbers.end())
    add_numbers(*evaluation, "evaluation/", event);
  else
    add_numbers(numbers, "train/", event);
  append(event);
}

void TensorboardFile::write(int64_t step, std::span<const EventImage> pictures) {
  for (const EventImage& picture : pictures) {
    Event event;
    event.wall_time = seconds_now();
    event.step = step;
    event.image = picture;
    append(event);
  }
}

void TensorboardFile::append(const Event& event) {
  out_ << event_record(event) << std::flush;
  check(out_.good(), shown(path_), ": a record could not be written; is the disk full?");
}

void TensorboardFile::remove(const fs::path& run) {
  for (const fs::path& file : event_files(run)) fs::remove(file);
}

}  // namespace tessera

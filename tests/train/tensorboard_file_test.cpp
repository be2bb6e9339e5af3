#include "train/tensorboard_file.h"

#include <doctest/doctest.h>

#include "io/event_file.h"
#include "io/files.h"
#include "tests/temporary_directory.h"

namespace tessera::tensorboard_file_test {
namespace {

namespace fs = std::filesystem;
using tests::TemporaryDirectory;

std::vector<fs::path> files_in(const fs::path& run) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(run)) out.push_back(entry.path());
  return out;
}

std::string contents(const fs::path& run) {
  const std::vector<uint8_t> bytes = read_file(files_in(run).at(0));
  return {bytes.begin(), bytes.end()};
}

std::vector<int64_t> steps_in(const fs::path& run) {
  std::vector<int64_t> out;
  const std::string all = contents(run);
  for (const EventRecord& record : read_event_records(all)) out.push_back(record.step);
  return out;
}

}  // namespace

TEST_CASE("Rows become events with a tag for each number") {
  const TemporaryDirectory directory;
  {
    TensorboardFile file(directory.path(), 0);
    file.write(R"({"step": 3, "loss": 1.5, "name": "x", "nothing": null})");
    file.write(R"({"step": 4, "seconds": 9, "evaluation": {"accuracy": 0.5, "by_kind": {"colour": 0.25}}})");
  }
  CHECK(files_in(directory.path()).size() == 1);
  const std::string name = files_in(directory.path())[0].filename().string();
  CHECK(name.starts_with("events.out.tfevents."));
  CHECK(steps_in(directory.path()) == std::vector<int64_t>{0, 3, 4});
  const std::string all = contents(directory.path());
  for (const char* tag : {"brain.Event:2", "train/loss", "evaluation/accuracy", "evaluation/by_kind/colour"})
    CHECK(all.find(tag) != std::string::npos);
  for (const char* tag : {"train/step", "train/name", "train/nothing", "seconds"})
    CHECK(all.find(tag) == std::string::npos);
}

TEST_CASE("A run that goes on drops what is later or cut off, and one that begins anew begins its file anew") {
  const TemporaryDirectory directory;
  {
    TensorboardFile file(directory.path(), 0);
    for (const char* row : {R"({"step": 2, "loss": 1})", R"({"step": 4, "loss": 2})", R"({"step": 6, "loss": 3})"})
      file.write(row);
  }
  const fs::path path = files_in(directory.path())[0];
  fs::resize_file(path, fs::file_size(path) - 3);  // the record of step 6
  {
    TensorboardFile file(directory.path(), 4);
    CHECK(files_in(directory.path()) == std::vector<fs::path>{path});
    file.write(R"({"step": 5, "loss": 4})");
  }
  CHECK(steps_in(directory.path()) == std::vector<int64_t>{0, 2, 4, 5});
  { const TensorboardFile file(directory.path(), 2); }
  CHECK(steps_in(directory.path()) == std::vector<int64_t>{0, 2});
  { const TensorboardFile file(directory.path(), 0); }
  CHECK(steps_in(directory.path()) == std::vector<int64_t>{0});
  CHECK(files_in(directory.path()).size() == 1);
  TensorboardFile::remove(directory.path());
  CHECK(files_in(directory.path()).empty());
}

TEST_CASE("Pictures are events of their step, and are cut as rows are") {
  const TemporaryDirectory directory;
  const std::vector<EventImage> pictures{{"examples/1/a", "PNG of a", 2, 3}, {"examples/2/b", "PNG of b", 4, 5}};
  {
    TensorboardFile file(directory.path(), 0);
    file.write(R"({"step": 2, "evaluation": {"accuracy": 1}})");
    file.write(2, pictures);
    file.write(4, pictures);
    file.write(4, {});
  }
  CHECK(steps_in(directory.path()) == std::vector<int64_t>{0, 2, 2, 2, 4, 4});
  { const TensorboardFile file(directory.path(), 3); }
  CHECK(steps_in(directory.path()) == std::vector<int64_t>{0, 2, 2, 2});
  for (const char* word : {"examples/1/a", "PNG of a", "examples/2/b", "PNG of b"})
    CHECK(contents(directory.path()).find(word) != std::string::npos);
}

TEST_CASE("Nothing, and what is no file of events, has no records") {
  CHECK(read_event_records("").empty());
  CHECK(read_event_records(std::string(15, '\0')).empty());
  CHECK(read_event_records(std::string(64, 'x')).empty());
  std::string huge = event_record({});
  huge[7] = 0x7f;  // the length
  CHECK(read_event_records(huge).empty());
}

}  // namespace tessera::tensorboard_file_test

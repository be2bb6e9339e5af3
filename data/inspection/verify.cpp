#include "data/inspection/verify.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "data/images/image.h"
#include "io/files.h"
#include "io/output_file.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using Ordered = nlohmann::ordered_json;

constexpr const char* kProgressFile = "verified.jsonl";
constexpr const char* kBadFile = "bad.jsonl";
constexpr const char* kFirstLine = R"({"generator":"tessera verify","version":1})";
constexpr size_t kMostBadOfUnit = 10'000;

struct UnitResult {
  int64_t samples = 0, good = 0, captions = 0;
  std::map<std::string, int64_t> reasons;
  std::vector<BadSample> bad;  // the first kMostBadOfUnit
};

void add_bad(UnitResult& result, BadSample bad) {
  ++result.reasons[bad.reason];
  if (result.bad.size() < kMostBadOfUnit) result.bad.push_back(std::move(bad));
}

UnitResult verify_unit(const InspectionUnit& unit) {
  UnitResult result;
  unit.each([&](const InspectedSample& sample) {
    result.samples += sample.is_sample;
    if (!sample.reason.empty()) return add_bad(result, {sample.name, sample.reason, sample.detail});
    try {
      decode_image({reinterpret_cast<const uint8_t*>(sample.picture.data()), sample.picture.size()}, sample.name);
    } catch (const Error& error) {
      return add_bad(result, {sample.name, "the picture cannot be decoded", error.what()});
    }
    ++result.good;
    result.captions += std::ssize(sample.captions);
  });
  return result;
}

std::string line_of(const Ordered& value) {
  return value.dump(-1, ' ', false, Ordered::error_handler_t::replace) + "\n";
}

Ordered json_of(const BadSample& bad) { return {{"name", bad.name}, {"reason", bad.reason}, {"detail", bad.detail}}; }

std::string line_of(const InspectionUnit& unit, const UnitResult& result) {
  Ordered bad = Ordered::array();
  for (const BadSample& one : result.bad) bad.push_back(json_of(one));
  return line_of({{"unit", unit.name},
                  {"identity", unit.identity},
                  {"samples", result.samples},
                  {"good", result.good},
                  {"captions", result.captions},
                  {"reasons", result.reasons},
                  {"bad", bad}});
}

// Of a line of the progress file, whose unit and identity are those of `result`.
UnitResult result_of(const JsonFields& fields) {
  UnitResult result;
  result.samples = fields.identifier("samples");
  result.good = fields.identifier("good");
  result.captions = fields.identifier("captions");
  const JsonFields reasons(fields.object("reasons"), fields.where());
  for (const auto& item : fields.object("reasons").items())
    result.reasons[item.key()] = reasons.identifier(item.key().c_str());
  for (const nlohmann::json& one : fields.array("bad")) {
    const JsonFields bad(one, fields.where());
    result.bad.push_back({bad.string("name"), bad.string("reason"), bad.string("detail")});
  }
  return result;
}

// As JSON keeps a name that is no UTF-8.
std::string kept_name(const std::string& name) {
  return nlohmann::json::parse(line_of(Ordered(name))).get<std::string>();
}

void add(const UnitResult& result, Verification& total) {
  constexpr size_t kShown = 20;
  total.samples += result.samples;
  total.good += result.good;
  total.captions += result.captions;
  for (const auto& [reason, count] : result.reasons) total.reasons[reason] += count;
  for (const BadSample& bad : result.bad)
    if (total.first_bad.size() < kShown) total.first_bad.push_back(bad);
}

// The file to which each unit's result is added.
class Progress {
 public:
  explicit Progress(const fs::path& folder) : path_(folder / kProgressFile) {
    fs::create_directories(folder);
    const bool is_new = !fs::exists(path_);
    check(!is_new || !fs::exists(folder / kBadFile), shown(folder / kBadFile),
          ": exists already and is not of vilt data verify; name another folder");
    if (is_new) write_file_atomically(path_, std::string(kFirstLine) + "\n");
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  // Calls `handle` with each line that is whole; what a killed process has left of another is cut off.
  void read(const std::function<void(const JsonFields&)>& handle) {
    int64_t line_number = 0;
    uint64_t whole = 0;
    const uint64_t bytes = fs::file_size(path_);
    for_each_line(file_pieces(path_), [&](std::string_view line) {
      const std::string where = text(shown(path_), ", line ", ++line_number);
      if (line_number == 1)
        check(line == kFirstLine, where, ": is not of vilt data verify; name another folder");
      else if (whole + line.size() + 1 <= bytes) {
        const nlohmann::json value = parse_strict_json(line, where);
        handle(JsonFields(value, where));
      }
      if (whole + line.size() + 1 <= bytes) whole += line.size() + 1;
    });
    if (whole < bytes) fs::resize_file(path_, whole);
  }

  void append(const std::string& line) {
    if (descriptor_ < 0) descriptor_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    check(descriptor_ >= 0, "cannot write ", shown(path_), ": ", std::strerror(errno));
    for (std::string_view rest = line; !rest.empty();) {
      const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      check(written >= 0, "cannot write ", shown(path_), ": ", std::strerror(errno));
      rest.remove_prefix(static_cast<size_t>(written));
    }
  }

 private:
  fs::path path_;
  int descriptor_ = -1;
};

}  // namespace

Verification verify(const std::vector<InspectionUnit>& units, const VerifyOptions& options,
                    const ProgressCallback& progress) {
  Verification total;
  total.units = std::ssize(units);
  std::unique_ptr<Progress> file;
  std::unique_ptr<OutputFile> bad_file;
  const auto add_result = [&](const UnitResult& result) {
    add(result, total);
    if (bad_file)
      for (const BadSample& bad : result.bad) bad_file->write(line_of(json_of(bad)));
  };
  std::vector<int64_t> open_units;
  std::set<size_t> found;
  if (!options.folder.empty()) {
    file = std::make_unique<Progress>(options.folder);
    bad_file = std::make_unique<OutputFile>(options.folder / kBadFile);
    std::map<std::string, size_t> by_name;
    for (size_t i = 0; i < units.size(); ++i) by_name[kept_name(units[i].name)] = i;
    file->read([&](const JsonFields& fields) {
      const auto known = by_name.find(fields.string("unit"));
      if (known == by_name.end() || fields.string("identity").empty() ||
          units[known->second].identity != fields.string("identity") || !found.insert(known->second).second)
        return;
      add_result(result_of(fields));
    });
    total.found = std::ssize(found);
  }
  for (size_t i = 0; i < units.size(); ++i)
    if (!found.contains(i)) open_units.push_back(static_cast<int64_t>(i));

  std::mutex mutex;
  for_each_unit(
      std::ssize(open_units), options.threads,
      [&](int64_t i) {
        const InspectionUnit& unit = units[static_cast<size_t>(open_units[static_cast<size_t>(i)])];
        const UnitResult result = verify_unit(unit);
        const std::lock_guard lock(mutex);
        add_result(result);
        if (file) file->append(line_of(unit, result));
      },
      [&](int64_t done, int64_t) {
        if (progress) progress(total.found + done, total.units);
      });
  if (bad_file) bad_file->put_in_place();
  return total;
}

}  // namespace tessera

// `vilt regions detect` and `vilt regions extract`.
#include <iostream>

#include <nlohmann/json.hpp>

#include "data/sets/dataset.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/words.h"
#include "models/regions/extraction.h"
#include "models/regions/load.h"
#include "tensor/device.h"
#include "vilt/command/command.h"
#include "vilt/command/overwriting.h"
#include "vilt/serve/folder.h"

namespace tessera::command {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostFolderPictures = 50'000'000;

// Of one object after the other.
struct BoxColour {
  const char* name;
  std::array<uint8_t, 3> rgb;
};
constexpr std::array<BoxColour, 6> kBoxColours{{{"red", {230, 25, 25}},
                                                {"green", {20, 200, 40}},
                                                {"blue", {40, 90, 255}},
                                                {"yellow", {250, 230, 20}},
                                                {"magenta", {240, 50, 230}},
                                                {"cyan", {40, 230, 240}}}};

LoadedDetector open_detector_of(const RegionsArguments& arguments) {
  DetectorLoadOptions options;
  options.device = device_named("--device", arguments.device);
  check_available(options.device);
  options.classes = arguments.classes;
  options.report = [](const std::string& line) { std::cerr << "weights: " << line << '\n'; };
  return load_detector(arguments.model, options);
}

void put_pixel(Image& image, int y, int x, const std::array<uint8_t, 3>& rgb) {
  if (y < 0 || y >= image.height || x < 0 || x >= image.width) return;
  std::copy(rgb.begin(), rgb.end(), image.row(y) + 3 * x);
}

// The outline of a box, one pixel for every 400 of the picture's shorter side, at least one.
void draw_box(Image& image, const Boxes& boxes, Eigen::Index row, const std::array<uint8_t, 3>& rgb) {
  const int thick = 1 + std::min(image.height, image.width) / 400;
  const auto at = [&](int k) { return static_cast<int>(std::lround(boxes(row, k))); };
  const int x1 = at(0), y1 = at(1), x2 = at(2) - 1, y2 = at(3) - 1;
  for (int t = 0; t < thick; ++t) {
    for (int x = x1; x <= x2; ++x)
      for (const int y : {y1 + t, y2 - t}) put_pixel(image, y, x, rgb);
    for (int y = y1; y <= y2; ++y)
      for (const int x : {x1 + t, x2 - t}) put_pixel(image, y, x, rgb);
  }
}

Detections from_score(const Detections& found, double least) {
  Detections out;
  std::vector<int64_t> rows;
  for (size_t i = 0; i < found.scores.size(); ++i) {
    if (!(found.scores[i] >= least)) continue;
    rows.push_back(static_cast<int64_t>(i));
    out.scores.push_back(found.scores[i]);
    out.labels.push_back(found.labels[i]);
  }
  out.boxes = picked(found.boxes, rows);
  return out;
}

void write_line(const std::string& file, const Detections& found, const RegionClasses& names) {
  using Row = nlohmann::ordered_json;
  Row objects = Row::array();
  for (size_t i = 0; i < found.scores.size(); ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    objects.push_back({{"label", names[static_cast<size_t>(found.labels[i])]},
                       {"score", found.scores[i]},
                       {"box", {found.boxes(row, 0), found.boxes(row, 1), found.boxes(row, 2), found.boxes(row, 3)}}});
  }
  const Row line = {{"image", file}, {"objects", objects}};
  std::cout << line.dump(-1, ' ', false, Row::error_handler_t::replace) << '\n';
}

void write_words(const std::string& file, const Detections& found, const RegionClasses& names, bool drawn) {
  std::cout << escape_controls(file) << ": " << found.scores.size()
            << (found.scores.size() == 1 ? " object\n" : " objects\n");
  for (size_t i = 0; i < found.scores.size(); ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    std::cout << "  " << fixed_text(found.scores[i], 3) << "  " << names[static_cast<size_t>(found.labels[i])] << "  (";
    for (int k = 0; k < 4; ++k) std::cout << (k > 0 ? ", " : "") << fixed_text(found.boxes(row, k), 1);
    std::cout << ')';
    if (drawn) std::cout << "  drawn in " << kBoxColours[i % kBoxColours.size()].name;
    std::cout << '\n';
  }
}

ExtractionPictures pictures_of(const Dataset& dataset, const fs::path& folder) {
  ExtractionPictures out;
  for (const DatasetImage& image : dataset.images())
    out.names.push_back(image.shards == 0 ? region_name(image.path(), folder) : std::string(image.file));
  out.read = [&dataset](int64_t i) { return decode_image(dataset.read_picture(i), dataset.picture_name(i)); };
  return out;
}

ExtractionPictures pictures_in(const fs::path& folder) {
  check(fs::is_directory(folder), shown(folder), ": no such folder");
  ExtractionPictures out;
  out.names = serve::Folder(folder).list(kMostFolderPictures).names;
  check(!out.names.empty(), shown(folder), ": holds no pictures (.jpg, .jpeg, .png, .webp, .gif)");
  out.read = [folder, names = out.names](int64_t i) { return read_image(folder / names[static_cast<size_t>(i)]); };
  return out;
}

// Those that `done` does not have.
ExtractionPictures remaining(const ExtractionPictures& pictures, const RegionFiles& done) {
  ExtractionPictures out;
  std::vector<int64_t> numbers;
  for (size_t i = 0; i < pictures.names.size(); ++i) {
    if (done.find(pictures.names[i])) continue;
    out.names.push_back(pictures.names[i]);
    numbers.push_back(static_cast<int64_t>(i));
  }
  out.read = [read = pictures.read, numbers](int64_t i) { return read(numbers[static_cast<size_t>(i)]); };
  return out;
}

// The shards that are there, in their order.
std::vector<std::string> shards_there(const fs::path& output) {
  std::vector<std::string> out;
  for (int64_t i = 0;; ++i) {
    const fs::path shard = RegionWriter::shard_path(output, i);
    if (!fs::exists(shard)) return out;
    out.push_back(shard.string());
  }
}

}  // namespace

int run_regions_detect(const RegionsArguments& arguments) {
  check(arguments.draw.empty() || arguments.images.size() == 1, "regions detect: --draw is for one picture, not ",
        arguments.images.size());
  if (!arguments.draw.empty()) check_may_write(arguments.draw, arguments.force);
  const LoadedDetector detector = open_detector_of(arguments);
  const RegionClasses names = detector.labels.pairs();
  for (const std::string& file : arguments.images) {
    Image image = read_image(file);
    const Detections found = from_score(detect_objects(*detector.model, {image})[0], arguments.least_score);
    if (arguments.json)
      write_line(file, found, names);
    else
      write_words(file, found, names, !arguments.draw.empty());
    if (arguments.draw.empty()) continue;
    // The surest last, on top of the others.
    for (size_t i = found.scores.size(); i-- > 0;)
      draw_box(image, found.boxes, static_cast<Eigen::Index>(i), kBoxColours[i % kBoxColours.size()].rgb);
    write_file_atomically(arguments.draw, encode_png(image));
  }
  std::cout << std::flush;
  if (!std::cout.good()) throw std::runtime_error("the objects could not be written to standard output");
  return 0;
}

int run_regions_extract(const RegionsArguments& arguments) {
  check(!arguments.captions.empty() || !arguments.folder.empty(),
        "--images FOLDER or --captions FILE is required (see vilt regions extract --help)");
  check(arguments.batch >= 1, "--batch is 0, expected at least 1");
  check(!arguments.go_on || arguments.shard_megabytes > 0, "--continue is for several files (--shard-size)");
  const fs::path output = arguments.output;
  std::vector<std::string> there;
  if (arguments.shard_megabytes > 0) there = shards_there(output);
  if (arguments.shard_megabytes == 0) check_may_write(output, arguments.force);
  if (!arguments.go_on)
    for (const std::string& shard : there) check_may_write(shard, arguments.force);

  const LoadedDetector detector = open_detector_of(arguments);
  SelectionRule rule = selection_rule(detector.model->config);
  if (arguments.least >= 0) rule.least = arguments.least;
  if (arguments.most >= 0) rule.most = arguments.most;
  if (arguments.confidence >= 0) rule.confidence = arguments.confidence;
  std::optional<Dataset> dataset;
  if (!arguments.captions.empty()) dataset = Dataset::open(arguments.captions, arguments.folder);
  ExtractionPictures pictures = dataset ? pictures_of(*dataset, arguments.folder) : pictures_in(arguments.folder);

  RegionWriterOptions options{.features = detector.model->config.features(),
                              .classes = detector.labels.pairs(),
                              .detector = detector.source,
                              .dtype = arguments.half ? DType::bf16 : DType::f32,
                              .shard_bytes = static_cast<uint64_t>(arguments.shard_megabytes) * 1'000'000,
                              .first_shard = 0};
  const size_t all = pictures.names.size();
  if (arguments.go_on && !there.empty()) {
    const RegionFiles done(there);
    check(done.features() == options.features && done.classes() == options.classes, done.files().front().path(),
          ": is of another detector");
    pictures = remaining(pictures, done);
    options.first_shard = static_cast<int64_t>(there.size());
  } else {
    for (const std::string& shard : there) fs::remove(shard);
  }
  RegionWriter writer(output, options);
  const int64_t written =
      extract_regions(*detector.model, pictures, rule, writer, arguments.batch, terminal_progress("pictures"),
                      [](const std::string& line) { std::cerr << "left out: " << line << '\n'; });
  writer.finish();
  std::cout << with_thousands(written) << " pictures";
  if (pictures.names.size() < all)
    std::cout << " (" << with_thousands(static_cast<int64_t>(all)) << " with those before)";
  std::cout << ":\n";
  for (const fs::path& file : writer.written()) {
    const RegionFile of(file);
    std::cout << "  " << of.path() << ": " << with_thousands(of.pictures()) << " pictures, "
              << with_thousands(of.regions()) << " regions of " << of.features() << " features\n";
  }
  return 0;
}

}  // namespace tessera::command

#include "data/inspection/statistics.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "data/images/resize.h"
#include "tensor/error.h"

namespace tessera {
namespace {

// FNV-1a: spread over all samples, and the same for any number of threads.
uint64_t draw_of(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  hash ^= hash >> 33;
  return hash * 0xff51afd7ed558ccd;
}

int64_t word_count(std::string_view text) {
  int64_t words = 0;
  bool in_word = false;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    words += !blank && !in_word;
    in_word = !blank;
  }
  return words;
}

Image thumbnail_of(const Image& picture, int side) {
  const double scale = static_cast<double>(side) / std::max(picture.height, picture.width);
  const auto scaled = [&](int length) { return std::clamp(static_cast<int>(std::lround(length * scale)), 1, side); };
  return resize_bicubic(picture, {scaled(picture.height), scaled(picture.width)});
}

// The samples with the smallest draws of those that have come.
class Thumbnails {
 public:
  explicit Thumbnails(const StatisticsOptions& options)
      : most_(static_cast<size_t>(options.thumbnails)), side_(options.thumbnail_side) {}

  void offer(const std::string& name, const Image& picture) {
    if (most_ == 0) return;
    const std::pair key(draw_of(name), name);
    {
      const std::lock_guard lock(mutex_);
      if (chosen_.size() == most_ && !(key < chosen_.rbegin()->first)) return;
    }
    Image small = thumbnail_of(picture, side_);
    const std::lock_guard lock(mutex_);
    chosen_.emplace(key, std::move(small));
    if (chosen_.size() > most_) chosen_.erase(std::prev(chosen_.end()));
  }
  std::vector<Image> take() {
    std::vector<Image> out;
    for (auto& item : chosen_) out.push_back(std::move(item.second));
    return out;
  }

 private:
  size_t most_;
  int side_;
  std::mutex mutex_;
  std::map<std::pair<uint64_t, std::string>, Image> chosen_;
};

DataStatistics of_unit(const InspectionUnit& unit, const StatisticsOptions& options, Thumbnails& thumbnails) {
  DataStatistics out;
  Image picture;
  unit.each([&](const InspectedSample& sample) {
    out.samples += sample.is_sample;
    if (!sample.reason.empty()) {
      ++out.reasons[sample.reason];
      return;
    }
    try {
      decode_image({reinterpret_cast<const uint8_t*>(sample.picture.data()), sample.picture.size()}, sample.name, {},
                   picture);
    } catch (const Error&) {
      ++out.reasons["the picture cannot be decoded"];
      return;
    }
    out.shorter_sides.add(std::min(picture.height, picture.width));
    out.longer_sides.add(std::max(picture.height, picture.width));
    out.captions_of_picture.add(std::ssize(sample.captions));
    for (const std::string& caption : sample.captions)
      out.lengths.add(options.vocabulary ? static_cast<int64_t>(options.vocabulary->encode(caption).size())
                                         : word_count(caption));
    thumbnails.offer(sample.name, picture);
  });
  return out;
}

}  // namespace

void Counts::add(const Counts& other) {
  for (const auto& [value, times] : other.counts_) add(value, times);
}

int64_t Counts::count() const {
  int64_t all = 0;
  for (const auto& item : counts_) all += item.second;
  return all;
}

double Counts::mean() const {
  double sum = 0;
  for (const auto& [value, times] : counts_) sum += static_cast<double>(value) * static_cast<double>(times);
  return sum / static_cast<double>(count());
}

double Counts::deviation() const {
  const double middle = mean();
  double sum = 0;
  for (const auto& [value, times] : counts_)
    sum += (static_cast<double>(value) - middle) * (static_cast<double>(value) - middle) * static_cast<double>(times);
  return std::sqrt(sum / static_cast<double>(count()));
}

int64_t Counts::median() const {
  int64_t left = (count() + 1) / 2;
  for (const auto& [value, times] : counts_)
    if ((left -= times) <= 0) return value;
  return 0;
}

int64_t Counts::above(int64_t value) const {
  int64_t all = 0;
  for (auto item = counts_.upper_bound(value); item != counts_.end(); ++item) all += item->second;
  return all;
}

DataStatistics statistics(const std::vector<InspectionUnit>& units, const StatisticsOptions& options,
                          const ProgressCallback& progress) {
  DataStatistics total;
  Thumbnails thumbnails(options);
  std::mutex mutex;
  for_each_unit(
      std::ssize(units), options.threads,
      [&](int64_t i) {
        const DataStatistics unit = of_unit(units[static_cast<size_t>(i)], options, thumbnails);
        const std::lock_guard lock(mutex);
        total.samples += unit.samples;
        total.captions_of_picture.add(unit.captions_of_picture);
        total.lengths.add(unit.lengths);
        total.shorter_sides.add(unit.shorter_sides);
        total.longer_sides.add(unit.longer_sides);
        for (const auto& [reason, count] : unit.reasons) total.reasons[reason] += count;
      },
      progress);
  total.thumbnails = thumbnails.take();
  return total;
}

Image contact_sheet(const std::vector<Image>& thumbnails, int side, int columns) {
  constexpr int kMargin = 4;
  constexpr uint8_t kGrey = 64;
  check(!thumbnails.empty(), "contact sheet: there is no picture to show");
  const int count = static_cast<int>(thumbnails.size());
  columns = std::clamp(columns, 1, count);
  const int rows = (count + columns - 1) / columns, cell = side + kMargin;
  Image sheet = make_image(rows * cell + kMargin, columns * cell + kMargin);
  std::fill(sheet.pixels.begin(), sheet.pixels.end(), kGrey);
  for (int i = 0; i < count; ++i) {
    const Image& picture = thumbnails[static_cast<size_t>(i)];
    const int top = i / columns * cell + kMargin + (side - picture.height) / 2;
    const int left = i % columns * cell + kMargin + (side - picture.width) / 2;
    for (int y = 0; y < picture.height; ++y)
      std::copy_n(picture.row(y), 3 * picture.width, sheet.row(top + y) + 3 * left);
  }
  return sheet;
}

}  // namespace tessera

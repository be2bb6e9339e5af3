// `vilt data verify` and `vilt data stats`: what a data set holds, and whether it can be used.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "data/inspection/statistics.h"
#include "data/inspection/verify.h"
#include "data/shards/sources.h"
#include "io/printable.h"
#include "io/words.h"
#include "tensor/error.h"
#include "vilt/command/command.h"
#include "vilt/command/overwriting.h"

namespace tessera::command {
namespace {

// The data set is that of the units, and has to live as long.
std::vector<InspectionUnit> units_of(const DataSourceArguments& source, std::optional<Dataset>& dataset) {
  const bool of_file = !source.captions.empty();
  check(of_file != !source.shards.empty(), "data: name either shards or --captions and --images");
  if (of_file && source.images.empty() && source.split.empty() && are_shards(source.captions))
    return shard_units(expand_shards(source.captions));
  check(of_file == !source.images.empty(), "data: --captions and --images belong together");
  if (!of_file) return shard_units(expand_shards(source.shards));
  DatasetOptions options;
  if (!source.split.empty()) options.splits = {source.split};
  options.check_files = false;  // one that is missing is told like any other
  dataset = Dataset::open(source.captions, source.images, options);
  return dataset_units(*dataset, source.captions);
}

int threads_of(const DataSourceArguments& source) {
  if (source.threads > 0) return static_cast<int>(std::min<int64_t>(source.threads, 256));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void print_reasons(const std::map<std::string, int64_t>& reasons) {
  for (const auto& [reason, count] : reasons)
    std::cout << "  " << with_thousands(count) << "  " << escape_controls(reason) << '\n';
}

std::string numbers(const Counts& of, const std::string& unit) {
  return text(fixed_text(of.mean(), 2), " ± ", fixed_text(of.deviation(), 2), unit, ", from ", of.smallest(), " to ",
              of.largest());
}

nlohmann::ordered_json json_of(const Counts& of) {
  if (of.count() == 0) return nullptr;
  return {{"count", of.count()},       {"mean", of.mean()},     {"deviation", of.deviation()},
          {"smallest", of.smallest()}, {"median", of.median()}, {"largest", of.largest()}};
}

void print_json(const DataStatistics& found, const DataStatsArguments& arguments) {
  nlohmann::ordered_json out = {{"samples", found.samples},
                                {"images", found.captions_of_picture.count()},
                                {"captions", found.lengths.count()},
                                {"captions_of_image", json_of(found.captions_of_picture)},
                                {"length_in", arguments.vocabulary.empty() ? "words" : "tokens"},
                                {"length", json_of(found.lengths)}};
  if (!arguments.vocabulary.empty()) out["captions_cut"] = found.lengths.above(arguments.max_length - 2);
  out["shorter_side"] = json_of(found.shorter_sides);
  out["longer_side"] = json_of(found.longer_sides);
  out["unusable"] = found.reasons;
  std::cout << out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
}

void print_table(const DataStatistics& found, const DataStatsArguments& arguments) {
  std::cout << "images         " << with_thousands(found.captions_of_picture.count()) << '\n';
  std::cout << "captions       " << with_thousands(found.lengths.count());
  if (found.lengths.count() > 0) std::cout << "; of an image " << numbers(found.captions_of_picture, "");
  std::cout << '\n';
  if (found.lengths.count() > 0) {
    const bool in_tokens = !arguments.vocabulary.empty();
    std::cout << "length         " << numbers(found.lengths, in_tokens ? " tokens" : " words") << '\n';
    if (in_tokens) {
      const int64_t cut = found.lengths.above(arguments.max_length - 2);
      std::cout << "captions cut   " << with_thousands(cut) << " ("
                << fixed_text(100 * static_cast<double>(cut) / static_cast<double>(found.lengths.count()), 2)
                << " %) at " << arguments.max_length << " tokens, [CLS] and [SEP] among them\n";
    }
    for (const auto& [name, sides] :
         {std::pair("shorter side   ", &found.shorter_sides), std::pair("longer side    ", &found.longer_sides)})
      std::cout << name << "median " << sides->median() << " pixels, from " << sides->smallest() << " to "
                << sides->largest() << '\n';
  }
  if (!found.reasons.empty()) std::cout << "cannot be used:\n";
  print_reasons(found.reasons);
}

}  // namespace

int run_data_verify(const DataVerifyArguments& arguments) {
  std::optional<Dataset> dataset;
  const std::vector<InspectionUnit> units = units_of(arguments.source, dataset);
  VerifyOptions options;
  options.threads = threads_of(arguments.source);
  options.folder = arguments.out;
  const Verification found = verify(units, options, terminal_progress("verified"));
  std::cout << with_thousands(found.good) << " of " << with_thousands(found.samples) << " samples are good, with "
            << with_thousands(found.captions) << " captions";
  if (found.found > 0)
    std::cout << " (" << with_thousands(found.found) << " of " << with_thousands(found.units)
              << (dataset ? " parts" : " shards") << " verified before)";
  std::cout << '\n';
  print_reasons(found.reasons);
  if (found.all_good()) return 0;
  if (arguments.out.empty()) {
    for (const BadSample& bad : found.first_bad) {
      const std::string& why = bad.detail.empty() ? bad.reason : bad.detail;
      std::cout << escape_controls(why.starts_with(bad.name) ? why : bad.name + ": " + why) << '\n';
    }
    std::cout << "--out FOLDER writes a list of all\n";
  } else {
    std::cout << "the list: " << shown(arguments.out) << "/bad.jsonl\n";
  }
  return 1;
}

int run_data_stats(const DataStatsArguments& arguments) {
  check(arguments.max_length >= 2, "data stats: --max-length is ", arguments.max_length, ", expected at least 2");
  check(arguments.pictures >= 1 && arguments.pictures <= 1000, "data stats: --pictures is ", arguments.pictures,
        ", expected 1 to 1000");
  if (!arguments.sheet.empty() && !arguments.force) check_may_write(arguments.sheet, arguments.force);
  std::optional<Wordpiece> vocabulary;
  if (!arguments.vocabulary.empty()) vocabulary = Wordpiece::from_file(arguments.vocabulary);
  std::optional<Dataset> dataset;
  const std::vector<InspectionUnit> units = units_of(arguments.source, dataset);
  StatisticsOptions options;
  options.threads = threads_of(arguments.source);
  options.vocabulary = vocabulary ? &*vocabulary : nullptr;
  options.thumbnails = arguments.sheet.empty() ? 0 : arguments.pictures;
  const DataStatistics found = statistics(units, options, terminal_progress("counted"));
  if (arguments.json)
    print_json(found, arguments);
  else
    print_table(found, arguments);
  if (arguments.sheet.empty()) return 0;
  constexpr int kColumns = 8;
  const std::vector<uint8_t> png = encode_png(contact_sheet(found.thumbnails, options.thumbnail_side, kColumns));
  write_output(arguments.sheet, {reinterpret_cast<const char*>(png.data()), png.size()}, arguments.force);
  if (!arguments.json) std::cout << "written " << shown(arguments.sheet) << '\n';
  return 0;
}

}  // namespace tessera::command

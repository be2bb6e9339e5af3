// What `vilt zoo` prints and writes as JSON.
#include <algorithm>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "io/words.h"
#include "vilt/command/zoo.h"

namespace tessera::command {
namespace {

using nlohmann::ordered_json;
using zoo::MeasuredPart;
using zoo::MeasuredSystem;
using zoo::Timing;

constexpr int kTitle = 30, kCount = 11, kTime = 11;
constexpr const char* kDefinition =
    "A multiply-add of a matrix product or a convolution counts as 1; norms, activations, softmax, pooling and boxes "
    "are not counted.";
constexpr const char* kPaper = "ViLT's paper (Kim, Son, Kim, ICML 2021), Table 6 and Figure 1; Xeon E5-2650, P40 GPU";

const char* name_of(Precision precision) {
  switch (precision) {
    case Precision::high: return "high";
    case Precision::tf32: return "tf32";
    case Precision::bf16: return "bf16";
    default: return "highest";
  }
}

// 4,123,456 → "4.1 M".
std::string counted(int64_t count) {
  if (count == 0) return "";
  double value = static_cast<double>(count);
  size_t unit = 0;
  for (; value >= 999.95 && unit < 3; ++unit) value /= 1000;
  return fixed_text(value, unit == 0 ? 0 : 1) + (unit == 0 ? "" : text(' ', " KMG"[unit]));
}

std::string milliseconds(double value) {
  return fixed_text(value, value < 1 ? 3 : value < 10 ? 2 : value < 1000 ? 1 : 0);
}

void row(std::ostream& out, const std::string& title, const std::string& parameters, const std::string& counts,
         const std::vector<std::string>& times) {
  out << std::left << std::setw(kTitle) << title << std::right << std::setw(kCount) << parameters << std::setw(kCount)
      << counts;
  std::ostringstream line;
  for (const std::string& time : times) line << std::setw(kTime) << time;
  const std::string columns = line.str();
  out << columns.substr(0, columns.find_last_not_of(' ') + 1) << '\n';
}

// The columns' order.
template <class Do>
void for_each_column(const zoo::MeasureOptions& options, Do&& act) {
  for (const Precision precision : options.precisions)
    for (const int64_t batch : options.batches) act(precision, batch);
}

const Timing& timing_of(const MeasuredPart& part, Precision precision, int64_t batch) {
  for (const Timing& timing : part.timings)
    if (timing.precision == precision && timing.batch == batch) return timing;
  fail("zoo: ", part.part.name, " was not measured in batches of ", batch);
}

void print_system(std::ostream& out, const MeasuredSystem& system, const zoo::MeasureOptions& options) {
  out << '\n'
      << system.system.title << "  (" << system.system.rule << "; " << system.picture << "; tokens " << system.tokens
      << ")\n";
  for (const MeasuredPart& part : system.parts) {
    std::vector<std::string> times;
    for_each_column(options, [&](Precision precision, int64_t batch) {
      const Timing& timing = timing_of(part, precision, batch);
      times.push_back(milliseconds(timing.milliseconds / static_cast<double>(batch)) + (timing.in_f32 ? "*" : " "));
    });
    row(out, text("  ", zoo::name_of(part.part.role), ": ", part.part.name), counted(part.part.parameters),
        counted(part.part.multiply_adds), times);
  }
  std::vector<std::string> sums;
  for_each_column(options, [&](Precision precision, int64_t batch) {
    sums.push_back(milliseconds(system.milliseconds(precision, batch) / static_cast<double>(batch)) + " ");
  });
  row(out, "  whole", counted(system.parameters()), counted(system.multiply_adds()), sums);
  const std::optional<zoo::Published>& published = system.system.published;
  if (!published) return;
  out << "  published: about " << fixed_text(published->milliseconds, 0) << " ms"
      << (published->split.empty() ? "" : text(" (", published->split, ")")) << ",\n    tokens " << published->tokens
      << ", " << fixed_text(published->parameters, 1) << " M parameters without the text's (here "
      << counted(parameters_without_text(system)) << "), " << fixed_text(published->flops, 1) << " GFLOPs\n";
}

std::string share(const std::optional<double>& value) { return value ? fixed_text(*value, 3) : "-"; }

void print_runs(std::ostream& out, const std::vector<ZooRun>& runs) {
  if (runs.empty()) return;
  out << "\nFinished runs, on their test splits\n";
  row(out, "", "", "seconds of", {"matching", "matching", "masked"});
  row(out, "", "parameters", "training", {"random", "sibling", "words"});
  for (const ZooRun& run : runs)
    row(out, text("  ", run.system, ": ", run.name), counted(run.parameters), fixed_text(run.train_seconds, 0),
        {share(run.random), share(run.sibling), share(run.words)});
}

ordered_json json_of(const ZooRun& run) {
  const auto value = [](const std::optional<double>& figure) {
    return figure ? ordered_json(*figure) : ordered_json(nullptr);
  };
  return {{"name", run.name},
          {"system", run.system},
          {"parameters", run.parameters},
          {"train_seconds", run.train_seconds},
          {"matching_random", value(run.random)},
          {"matching_sibling", value(run.sibling)},
          {"masked_words", value(run.words)}};
}

ordered_json json_of(const MeasuredSystem& system) {
  const zoo::System& s = system.system;
  ordered_json out{{"name", s.name},
                   {"title", s.title},
                   {"class", s.rule},
                   {"picture", {system.picture.height, system.picture.width}},
                   {"tokens", system.tokens},
                   {"parameters", system.parameters()},
                   {"parameters_without_text", parameters_without_text(system)},
                   {"multiply_adds", system.multiply_adds()},
                   {"parts", ordered_json::array()}};
  for (const MeasuredPart& part : system.parts) {
    ordered_json times = ordered_json::array();
    for (const Timing& timing : part.timings)
      times.push_back({{"precision", name_of(timing.precision)},
                       {"batch", timing.batch},
                       {"ms", timing.milliseconds},
                       {"runs", timing.runs},
                       {"in_f32", timing.in_f32 || timing.precision != Precision::bf16}});
    out["parts"].push_back({{"name", part.part.name},
                            {"role", zoo::name_of(part.part.role)},
                            {"parameters", part.part.parameters},
                            {"multiply_adds", part.part.multiply_adds},
                            {"times", std::move(times)}});
  }
  out["published"] = nullptr;
  if (s.published)
    out["published"] = {{"source", kPaper},
                        {"tokens", s.published->tokens},
                        {"parameters_without_text_millions", s.published->parameters},
                        {"gflops", s.published->flops},
                        {"ms", s.published->milliseconds},
                        {"ms_split", s.published->split}};
  return out;
}

}  // namespace

std::string zoo_table(const ZooResult& result) {
  std::ostringstream out;
  out << result.machine
      << (result.options.processor_time ? "\nMilliseconds of the processor, all threads together, " : "\nMilliseconds ")
      << "of one pair of a picture and a text, the median of " << result.options.repeat
      << (result.options.repeat == 1 ? " run" : " runs") << "; random weights"
      << (result.options.quick ? " of tiny systems" : "") << ".\n"
      << "Parameters; multiply-adds of one pair: of products and convolutions alone, each counted as 1.\n\n";
  std::vector<std::string> precisions, batches;
  for_each_column(result.options, [&](Precision precision, int64_t batch) {
    precisions.push_back(text(name_of(precision), ' '));
    batches.push_back(text("batch ", batch, ' '));
  });
  row(out, "", "", "multiply-", precisions);
  row(out, "", "parameters", "adds", batches);
  for (const MeasuredSystem& system : result.systems) print_system(out, system, result.options);
  const bool marked = std::find(result.options.precisions.begin(), result.options.precisions.end(), Precision::bf16) !=
                      result.options.precisions.end();
  out << '\n';
  if (marked) out << "* in f32: convolutions, the GRU and the detector have no arithmetic of bf16 on a CPU.\n";
  const zoo::SuppressionTimes& nms = result.suppression;
  out << "Suppression of " << nms.boxes << " regions by " << with_thousands(nms.classes)
      << " classes: " << milliseconds(nms.published_ms) << " ms as published (every class from the boxes anew), "
      << milliseconds(nms.shared_ms) << " ms\nas written here (overlaps found once); "
      << (nms.equal ? "the same regions.\n" : "NOT the same regions.\n");
  out << "Published figures: " << kPaper << ".\n";
  print_runs(out, result.runs);
  return out.str();
}

std::string zoo_json(const ZooResult& result) {
  ordered_json out{{"machine", result.machine},
                   {"definition", kDefinition},
                   {"quick", result.options.quick},
                   {"repeat", result.options.repeat},
                   {"processor_time", result.options.processor_time},
                   {"systems", ordered_json::array()}};
  for (const MeasuredSystem& system : result.systems) out["systems"].push_back(json_of(system));
  const zoo::SuppressionTimes& nms = result.suppression;
  out["suppression"] = {{"boxes", nms.boxes},         {"classes", nms.classes},
                        {"chosen", nms.chosen},       {"published_ms", nms.published_ms},
                        {"shared_ms", nms.shared_ms}, {"equal", nms.equal}};
  out["runs"] = ordered_json::array();
  for (const ZooRun& run : result.runs) out["runs"].push_back(json_of(run));
  return out.dump(1) + "\n";
}

}  // namespace tessera::command

// The sections of the report; vilt/report/report.cpp puts them together.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/usable_pictures.h"
#include "vilt/report/report.h"

namespace tessera {

// A word of a caption that is masked or whose maps are shown.
struct ReportWord {
  int32_t word = 0;           // number in the caption
  std::string text;           // as in the caption
  size_t begin = 0, end = 0;  // bytes of the caption
  std::string kind;           // of the annotation, may be empty
  int64_t object = -1;        // which it names, -1: none
  bool content = true;
  bool head_noun = false;       // the last content word of its object: the one that is scored
  std::vector<int64_t> tokens;  // places in the sequence, [CLS] is 0
};

// The content words of a caption; without annotations all its words. Words that were cut off are left out.
std::vector<ReportWord> report_words(const SampleSource& source, int64_t sentence);

// A held-out pair, and a caption that is not true of its picture.
struct ReportPair {
  int64_t sentence = 0;
  int64_t shuffled = -1;  // -1: the data set has none
  std::string picture;    // id of the symbol that holds the picture
  std::shared_ptr<const ResizedImage> resized;
  std::shared_ptr<const PatchedImage> patched;
};

// Evenly spread over the sentences: nobody chooses them.
std::vector<ReportPair> report_pairs(const SampleSource& source, int count);
std::string caption_of(const SampleSource& source, int64_t sentence);

// An SVG symbol with the picture inside, for the `use` elements of picture_html and the maps.
std::string picture_symbol(const std::string& id, const Image& image);
std::string picture_html(const std::string& id, const Image& image, const std::string& description);

std::string facts_html(const ReportInputs& inputs);
std::string tiles_html(const Summary& summary);
std::string curves_html(const ReportInputs& inputs);
std::string tables_html(const Summary& summary);
std::string findings_html(const ReportInputs& inputs);
std::string words_html(const ReportInputs& inputs, const std::vector<ReportPair>& pairs);
std::string maps_html(const ReportInputs& inputs, const std::vector<ReportPair>& pairs);

// A block of the summary by its name, or null.
const Evaluation* summary_block(const Summary& summary, const std::string& name);

// What a figure of pre-training is called on the page, by its name in summary.json; null: it is none of the table's.
const char* pretraining_figure_title(std::string_view name);

extern const char* const kReportStyle;
extern const char* const kReportScript;

}  // namespace tessera

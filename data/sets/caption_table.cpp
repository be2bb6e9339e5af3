// Tables with a header, as spreadsheets and data frames write them: image,text[,split].
#include <algorithm>
#include <optional>
#include <utility>

#include "data/sets/column_names.h"
#include "data/sets/layout_readers.h"
#include "data/sets/list_lines.h"
#include "data/sets/separated_values.h"
#include "data/sets/splits.h"
#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

struct Header {
  char separator = ',';
  size_t columns = 0, picture = 0, caption = 0;
  std::optional<size_t> split;
};

std::string_view trimmed_field(std::string_view field) {
  while (!field.empty() && (field.front() == ' ' || field.front() == '\t')) field.remove_prefix(1);
  while (!field.empty() && (field.back() == ' ' || field.back() == '\t')) field.remove_suffix(1);
  return field;
}

std::string plain_name(std::string_view column) {
  std::string name(trimmed_field(column));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return name;
}

template <class Names>
std::optional<size_t> column_of(const std::vector<std::string>& columns, const Names& names) {
  for (const std::string_view name : names)
    if (const auto found = std::find(columns.begin(), columns.end(), name); found != columns.end())
      return static_cast<size_t>(found - columns.begin());
  return std::nullopt;
}

// Of the first line, if it is one.
std::optional<Header> header_of(std::string_view beginning) {
  const std::string_view line = beginning.substr(0, std::min(beginning.find('\n'), size_t{4096}));
  for (const char separator : {'\t', ',', ';', '|'}) {
    std::vector<std::string> columns;
    for_each_value_record(pieces_of(line), separator, "header", [&](const ValueRecord& record) {
      for (const std::string& field : record.fields) columns.push_back(plain_name(field));
    });
    const auto picture = column_of(columns, kPictureColumns), caption = column_of(columns, kCaptionColumns);
    if (!picture || !caption) continue;
    return Header{separator, columns.size(), *picture, *caption, column_of(columns, std::array{kSplitColumn})};
  }
  return std::nullopt;
}

void read_row(const ValueRecord& row, const Header& header, const std::string& file, RecordSink& sink) {
  const std::string where = line_place(file, row.line);
  if (!row.damage.empty()) return sink.leave_out(where + ": " + row.damage);
  if (row.fields.size() != header.columns)
    return sink.leave_out(text(where, " has ", row.fields.size(), " fields, the header ", header.columns,
                               row.fields.size() > header.columns ? "; a field with a separator needs quotes" : ""));
  std::string_view split;
  if (header.split) split = split_of_word(trimmed_field(row.fields[*header.split]));
  const std::string_view picture = trimmed_field(row.fields[header.picture]);
  add_list_entry(sink, {.split = split, .file = picture, .naming = Naming::again}, row.fields[header.caption], where);
}

}  // namespace

bool is_caption_table(const FileBeginning& beginning) {
  return !beginning.is_json && header_of(beginning.text).has_value();
}

void read_caption_table(const CaptionsFile& file, RecordSink& sink) {
  std::string_view first = file.contents();
  if (first.starts_with("\xef\xbb\xbf")) first.remove_prefix(3);
  const std::optional<Header> header = header_of(first);
  if (!header)
    fail(line_place(file.where, 1), " is ", printable(first.substr(0, std::min(first.find('\n'), size_t{80}))),
         ", expected a header that names a column for the picture (image, file_name, filepath, ...) and one for the "
         "caption (text, caption, ...), as image,text");
  const TextPieces contents = [&] { return first.empty() ? file.contents() : std::exchange(first, {}); };
  bool is_header = true;
  for_each_value_record(contents, header->separator, file.where, [&](const ValueRecord& row) {
    if (!std::exchange(is_header, false)) read_row(row, *header, file.where, sink);
  });
}

}  // namespace tessera

// `vilt align`: where the words of a caption look.
#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>

#include "data/images/png_text.h"
#include "io/input_file.h"
#include "io/printable.h"
#include "report/heat_map.h"
#include "tensor/error.h"
#include "vilt/ask/inference.h"
#include "vilt/ask/inputs.h"
#include "vilt/command/overwriting.h"

namespace tessera::command {
namespace {

// By which the command knows its maps again: a new one takes the place of an old one, and of nothing else.
constexpr const char* kKeyword = "Software";
constexpr const char* kSignedBy = "Tessera: vilt align";

bool is_map(const std::filesystem::path& file) {
  if (!std::filesystem::is_regular_file(std::filesystem::symlink_status(file))) return false;
  InputFile input(file);
  std::vector<uint8_t> beginning(std::min<uint64_t>(input.size(), 200));
  input.read(beginning.data(), beginning.size());
  return png_text(beginning, kKeyword) == kSignedBy;
}

std::string share(double probability) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(3) << probability;
  return out.str();
}

// A file name made of a word: letters and digits in ASCII stay, everything else becomes '_'.
std::string file_name(int32_t index, const std::string& word) {
  std::ostringstream out;
  out << std::setw(2) << std::setfill('0') << index + 1 << '-';
  for (const char c : word.substr(0, 40)) out << (std::isalnum(static_cast<unsigned char>(c)) ? c : '_');
  return out.str() + ".png";
}

const std::vector<float>& chosen_map(const WordMaps& maps, const AlignArguments& arguments) {
  if (arguments.map == "plan") return maps.plan;
  if (arguments.map == "plan-training") return maps.plan_training;
  check(arguments.map == "attention", "--map is '", arguments.map, "', expected attention, plan or plan-training");
  const auto layers = static_cast<int64_t>(maps.attention.size());
  check(arguments.layer >= 0 && arguments.layer <= layers, "--layer is ", arguments.layer, ", expected 1 to ", layers);
  return maps.attention[static_cast<size_t>((arguments.layer == 0 ? layers : arguments.layer) - 1)];
}

}  // namespace

int run_align(const AlignArguments& arguments) {
  const LoadedModel model = open_model(arguments.model);
  const Words words = read_text(model, arguments.caption);
  check(words.count() > 0, "the text '", arguments.caption, "' has no words");
  report_losses(model, words);
  const Picture picture = open_picture(model, arguments.image, arguments.respect_orientation);
  const WordMaps maps = word_maps(*model.model, {{words.sequence.ids, {picture.patched}}}, {}, model.context)[0];
  const std::vector<float>& map = chosen_map(maps, arguments);
  const int scale = std::max(1, 384 / std::max(picture.image.width, picture.image.height));
  std::vector<std::pair<std::filesystem::path, std::string>> files;
  std::ostringstream table;
  table << std::left << std::setw(18) << "word"
        << "entropy  largest patch (row, column) and its share\n";
  for (int32_t w = 0; w < words.count(); ++w) {
    const std::vector<float> row = word_map(map, maps.patches, words.pieces(w));
    const auto largest = std::max_element(row.begin(), row.end()) - row.begin();
    double total = 0;
    for (const float weight : row) total += static_cast<double>(weight);
    const std::filesystem::path file = std::filesystem::path(arguments.out) / file_name(w, words.spelling(w));
    const std::vector<uint8_t> png =
        with_png_text(encode_png(overlay_heat_map(picture.image, row, picture.grid(), scale)), kKeyword, kSignedBy);
    files.emplace_back(file, std::string(png.begin(), png.end()));
    table << std::setw(18) << words.spelling(w) << share(normalised_entropy(row)) << "    ("
          << largest / picture.grid().columns + 1 << ", " << largest % picture.grid().columns + 1 << ") "
          << share(static_cast<double>(row[static_cast<size_t>(largest)]) / total) << "  " << shown(file) << '\n';
  }
  // All or none, as far as what is there decides.
  std::filesystem::create_directories(arguments.out);
  for (const auto& [file, png] : files)
    if (!is_map(file) && !holds(file, png)) check_may_write(file, arguments.force);
  for (const auto& [file, png] : files) write_output(file, png, arguments.force || is_map(file));
  std::cout << table.str();
  return 0;
}

}  // namespace tessera::command

// data/clip_bpe: ids of texts by the published tokenizer, with and without ftfy, by open_clip's and by transformers';
// fixed-length sequences of the first and the last, and decoded texts.
#include <filesystem>

#include "data/text/byte_pair.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

using nlohmann::json;

// Directories may leave the merges out; the project's copy is the same one.
std::filesystem::path merges_of(const std::filesystem::path& directory) {
  const char* name = "bpe_simple_vocab_16e6.txt.gz";
  if (std::filesystem::exists(directory / name)) return directory / name;
  return std::filesystem::path(TESSERA_GOLDEN_DIR) / "data/clip_bpe" / name;
}

// Counts comparisons of one column and keeps the first few differences.
class Column {
 public:
  explicit Column(const char* name) : name_(name) {}

  template <class T>
  void compare(const std::string& of, const T& got, const T& expected) {
    ++compared_;
    if (got == expected) return;
    if (++wrong_ <= 3)
      examples_ += text("; ", json(of).dump(-1, ' ', true), " gave ", json(got).dump(-1, ' ', true), ", expected ",
                        json(expected).dump(-1, ' ', true));
  }
  bool ok() const { return wrong_ == 0 && compared_ > 0; }
  std::string report() const { return text(name_, " ", compared_ - wrong_, " of ", compared_, examples_); }

 private:
  std::string name_;
  int64_t compared_ = 0, wrong_ = 0;
  std::string examples_;
};

std::vector<int64_t> ids_of(const json& row, const char* column) {
  return row.at(row.contains(column) ? column : "ids").get<std::vector<int64_t>>();
}

}  // namespace

Outcome run_byte_pair(const std::filesystem::path& directory) {
  const std::filesystem::path merges = merges_of(directory);
  const BytePair original = BytePair::from_file(merges);
  const BytePair unfixed = BytePair::from_file(merges, {.cleaning = TextCleaning::unfixed});
  const BytePair transformers = BytePair::from_file(merges, {.cleaning = TextCleaning::transformers});
  const BytePair open_clip = BytePair::from_file(merges, {.start = "<start_of_text>", .end = "<end_of_text>"});

  Column clean("cleaned texts"), ids("ids"), plain("without ftfy"), renamed("open_clip's"), hf("transformers'");
  for (const json& row : read_json_lines(directory / "texts.jsonl")) {
    const std::string source = row.at("text");
    clean.compare(source, cleaned_text(source, TextCleaning::original),
                  row.contains("clean") ? row.at("clean").get<std::string>() : source);
    ids.compare(source, original.encode(source), ids_of(row, "ids"));
    plain.compare(source, unfixed.encode(source), ids_of(row, "plain_ids"));
    renamed.compare(source, open_clip.encode(source), ids_of(row, "open_clip_ids"));
    hf.compare(source, transformers.encode(source), ids_of(row, "hf_ids"));
  }
  Column padded("sequences"), hf_padded("transformers' sequences"), length("lengths"), decoded("decoded");
  for (const json& row : read_json_lines(directory / "encoded77.jsonl")) {
    const std::string source = row.at("text");
    const auto expected = row.at("ids").get<std::vector<int64_t>>(),
               hf_expected = row.at("hf_ids").get<std::vector<int64_t>>();
    const std::vector<int64_t> body = original.encode(source);
    padded.compare(source, original.sequence(body, expected.size(), BytePair::TooLong::cut, BytePair::Padding::zero),
                   expected);
    hf_padded.compare(source,
                      transformers.sequence(transformers.encode(source), hf_expected.size(), BytePair::TooLong::cut,
                                            BytePair::Padding::end_token),
                      hf_expected);
    length.compare(source, body.size() + 2, row.at("untruncated").get<size_t>());
    decoded.compare(source, original.decode(body), row.at("decoded").get<std::string>());
  }
  Outcome outcome{true, ""};
  for (const Column* column : {&clean, &ids, &plain, &renamed, &hf, &padded, &hf_padded, &length, &decoded}) {
    outcome.ok = outcome.ok && column->ok();
    outcome.detail += (outcome.detail.empty() ? "" : ", ") + column->report();
  }
  return outcome;
}

}  // namespace tessera::golden

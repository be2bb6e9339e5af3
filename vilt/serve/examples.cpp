#include "vilt/serve/examples.h"

#include <sstream>

#include "io/printable.h"
#include "tensor/error.h"
#include "train/sources/training_data.h"
#include "vilt/tasks/downstream_files.h"
#include "vilt/tasks/settings.h"

namespace tessera::serve {

namespace fs = std::filesystem;

namespace {

class Collector {
 public:
  explicit Collector(size_t most) : most_(most) {}
  bool full() const { return out_.samples.size() >= most_; }

  void add(const std::vector<std::string>& paths, std::string_view text, const std::string& answer) {
    Example example{{}, std::string(text), answer};
    std::string all;
    for (const std::string& path : paths) {
      if (!fs::is_regular_file(path)) return;
      example.pictures.push_back(name_of(path));
      all += path + '\n';
    }
    if (!seen_.emplace(all, true).second) return;
    out_.samples.push_back(std::move(example));
  }
  Examples take() { return std::move(out_); }

 private:
  // The file's name, which may be that of a file in another folder too.
  std::string name_of(const fs::path& path) {
    const std::string plain = escape_controls(path.filename().string());
    std::string name = plain;
    for (int copy = 2; out_.pictures.contains(name) && out_.pictures[name] != path; ++copy)
      name = text(copy, '-', plain);
    out_.pictures[name] = path;
    return name;
  }

  size_t most_;
  Examples out_;
  std::map<std::string, bool> seen_;
};

void add_captions(const Dataset& dataset, Collector& collector) {
  for (const DatasetSentence& sentence : dataset.sentences()) {
    if (collector.full()) return;
    collector.add({dataset.images()[static_cast<size_t>(sentence.image)].path().string()}, sentence.text, "");
  }
}

void add_part(const DownstreamPart& part, Collector& collector) {
  for (const VqaQuestion& question : part.questions) {
    if (collector.full()) return;
    collector.add({question.image}, question.question, question.table_answer);
  }
  for (const Nlvr2Example& example : part.statements) {
    if (collector.full()) return;
    collector.add({example.images.begin(), example.images.end()}, example.sentence, example.label ? "True" : "False");
  }
  add_captions(part.captions, collector);
}

fs::path settings_of(const fs::path& model) {
  const fs::path whole = fs::absolute(model).lexically_normal();
  for (const fs::path& folder : {whole, whole.parent_path()})
    if (fs::is_regular_file(folder / "settings.toml")) return folder / "settings.toml";
  return {};
}

}  // namespace

Examples test_examples(const fs::path& model, size_t most, std::ostream& log) {
  const fs::path file = settings_of(model);
  if (file.empty()) return {};
  Collector collector(most);
  try {
    const Settings settings = Settings::from_toml(file);
    std::ostringstream told;
    if (const DownstreamTask* task = downstream_task(settings.train.task))
      add_part(read_part(*task, settings, DataPart::test, told), collector);
    else
      add_captions(open_test_data(settings.data), collector);
  } catch (const std::exception& error) {
    log << "note: no test pictures of the run are offered: " << error.what() << '\n';
    return {};
  }
  Examples out = collector.take();
  if (out.samples.empty()) log << "note: no test pictures of the run are offered: their files are not there\n";
  return out;
}

}  // namespace tessera::serve

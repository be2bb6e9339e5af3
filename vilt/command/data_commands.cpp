// `vilt scenes` and `vilt vocab`: the data that a training run reads.
#include <filesystem>
#include <iostream>

#include "data/progress.h"
#include "data/scenes/scene_tasks.h"
#include "data/scenes/scenes.h"
#include "data/sets/dataset.h"
#include "data/text/vocabulary.h"
#include "data/text/wordpiece.h"
#include "io/printable.h"
#include "tensor/error.h"
#include "train/progress_line.h"
#include "train/sources/training_data.h"
#include "vilt/command/command.h"
#include "vilt/command/overwriting.h"

namespace tessera::command {

int run_scenes(const ScenesArguments& arguments) {
  ScenesOptions options;
  options.kind = parse_scenes_kind(arguments.kind);
  options.seed = arguments.seed;
  options.train = arguments.train;
  options.val = arguments.val;
  options.test = arguments.test;
  options.test_unseen = arguments.test_unseen;
  options.force = arguments.force;
  const ScenesResult result = write_scenes(arguments.out, options, terminal_progress("scenes"));
  if (arguments.tasks) {
    const ProgressLine progress;
    progress.show("writing questions and statements …");
    write_scene_tasks(arguments.out, arguments.seed);
  }
  std::cout << (result == ScenesResult::kept ? "kept " : "written ") << shown(arguments.out) << ": "
            << name(options.kind);
  const char* separator = ", ";
  for (const ScenesSplit split : kScenesSplits) {
    std::cout << separator << options.count(split) << ' ' << name(split);
  }
  std::cout << ", seed " << options.seed << '\n';
  return 0;
}

int run_vocabulary(const VocabularyArguments& arguments) {
  int64_t size = arguments.size;
  bool once = arguments.once;
  if (!arguments.kind.empty()) {
    if (size == 0) size = recommended_vocabulary_size(parse_scenes_kind(arguments.kind));
    once = true;
  }
  check(size > 0, "vocab: --size is ", size,
        ", expected the number of tokens (BERT has 30522), or --kind of a built-in data set");
  namespace fs = std::filesystem;
  const fs::path out = arguments.out;
  std::error_code absent;
  for (const std::string& captions : arguments.captions)
    check(!fs::equivalent(out, captions, absent), "vocab: --out ", shown(out),
          " is the captions file; name another file");
  DatasetOptions options;
  options.splits = {arguments.split};
  options.check_files = false;
  options.kind = arguments.captions_kind;
  options.max_missing = arguments.max_bad_files;
  const ProgressLine progress;
  VocabularyTrainer trainer;
  size_t read = 0;
  for (const std::string& captions : arguments.captions) {
    progress.show(text("reading ", shown(captions), " …"));
    const Dataset dataset = Dataset::open(captions, ".", options);
    progress.clear();
    tell_remarks(dataset, captions, std::cout);
    progress.show("counting words …");
    for (const DatasetSentence& sentence : dataset.sentences()) trainer.add(sentence.text);
    read += dataset.sentences().size();
  }
  if (once) trainer.count_words_once();
  progress.clear();
  const std::vector<std::string> tokens = trainer.train(static_cast<size_t>(size), 1, terminal_progress("tokens"));
  if (out.has_parent_path()) fs::create_directories(out.parent_path());
  const bool written = write_output(out, vocabulary_text(tokens), arguments.force);

  const Wordpiece wordpiece(tokens);
  int64_t split_words = 0;
  for (const auto& [word, count] : trainer.counts()) split_words += wordpiece.encode(word).size() > 1;
  std::cout << (written ? "written " : "kept ") << shown(out) << ": " << tokens.size() << " tokens from " << read
            << " captions with " << trainer.counts().size() << " different words, " << split_words
            << " of them in more than one piece\n";
  if (static_cast<int64_t>(tokens.size()) < size)
    std::cout << "(" << size << " were asked for; there are no more pairs to join)\n";
  return 0;
}

}  // namespace tessera::command

#include "vilt/tasks/run_vocabulary.h"

#include "io/printable.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<Wordpiece> found_vocabulary(const Settings& settings, const std::optional<fs::path>& checkpoint,
                                            LoadedModel* initial, const std::function<Wordpiece()>& make) {
  const bool given = !settings.data.vocabulary.empty();
  if (!given && initial && initial->vocabulary) return std::move(initial->vocabulary);
  const bool beside = fs::exists(vocabulary_path(settings.data));
  if (!given && checkpoint && (!settings.train.init_from.empty() || (make && !beside)))
    return std::make_unique<Wordpiece>(Wordpiece::from_file(*checkpoint / "vocab.txt"));
  if (!given && make && !beside) return std::make_unique<Wordpiece>(make());
  const fs::path words = vocabulary_path(settings.data);
  check(fs::exists(words), shown(words), ": no vocabulary there; `vilt vocab` makes one from the captions");
  return std::make_unique<Wordpiece>(Wordpiece::from_file(words));
}

}  // namespace

std::unique_ptr<Wordpiece> open_run_vocabulary(Settings& settings, const std::optional<fs::path>& checkpoint,
                                               LoadedModel* initial, const std::function<Wordpiece()>& make) {
  auto vocabulary = found_vocabulary(settings, checkpoint, initial, make);
  const auto size = static_cast<int64_t>(vocabulary->size());
  const std::string words = shown(vocabulary_path(settings.data));
  check(!initial || size == settings.model.vocab_size, words, ": has ", size,
        " tokens, the weights of 'train.init_from' ", settings.model.vocab_size);
  check(!initial || !initial->vocabulary || initial->vocabulary->tokens() == vocabulary->tokens(), words,
        ": is not the vocabulary of the weights of 'train.init_from', whose words would mean others; leave out "
        "'data.vocabulary' to take theirs");
  settings.model.vocab_size = size;
  return vocabulary;
}

}  // namespace tessera

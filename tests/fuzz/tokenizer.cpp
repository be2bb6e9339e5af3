#include <optional>

#include "data/text/tokenizer_json.h"
#include "tests/fuzz/targets.h"

namespace tessera::fuzz {

void tokenizer(Bytes bytes) {
  GivenNormalisation given;
  if (accepted([&] { given = given_normalisation(as_text(bytes), "fuzz"); })) {
    const Normalisation read = given.resolved();
    ensure(given_normalisation(tokenizer_config_json(read, 40), "written").resolved() == read,
           "writing and reading changed the normalisation");
  }
  std::optional<Wordpiece> words;
  if (!accepted([&] { words = wordpiece_from_json(as_text(bytes), "fuzz"); })) return;
  const auto size = static_cast<int64_t>(words->size());
  std::string all;
  for (int64_t id = 0; id < size; ++id) {
    ensure(words->id(words->token(id)) == id, "token ", id, " has another id");
    all += words->token(id) + " ";
  }
  const Encoding encoding = words->encode(all, {.special_tokens = true});
  for (size_t i = 0; i < encoding.size(); ++i) {
    ensure(encoding.ids[i] >= 0 && encoding.ids[i] < size, "id ", encoding.ids[i], " of ", size);
    ensure(encoding.begin[i] <= encoding.end[i] && encoding.end[i] <= all.size(), "a piece outside of the text");
  }
}

}  // namespace tessera::fuzz

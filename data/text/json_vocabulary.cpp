#include "data/text/json_vocabulary.h"

#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {

std::vector<std::string> tokens_by_id(const nlohmann::json& vocab, const std::string& where) {
  std::vector<std::string> tokens(vocab.size());
  std::vector<bool> taken(vocab.size());
  for (const auto& [token, id] : vocab.items()) {
    check(!token.empty(), where, ": a token of the vocabulary is empty");
    const bool fits = id.is_number_integer() && id >= 0 && id < tokens.size();
    check(fits, where, ": token ", quoted_text(token), " has id ", quoted_text(id.dump()), ", expected 0 to ",
          tokens.size() - 1, ", since there are ", tokens.size(), " tokens");
    const auto place = id.get<size_t>();
    check(!taken[place], where, ": tokens ", quoted_text(tokens[place]), " and ", quoted_text(token), " both have id ",
          place);
    taken[place] = true;
    tokens[place] = token;
  }
  return tokens;
}

}  // namespace tessera

// {token: id}, as JSON files of tokenizers hold a vocabulary. Internal to data/text.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace tessera {

// The token of each id. Errors, which begin with `where`: an empty token, an id that is none of 0 to size - 1 or that
// two tokens have.
std::vector<std::string> tokens_by_id(const nlohmann::json& vocab, const std::string& where);

}  // namespace tessera

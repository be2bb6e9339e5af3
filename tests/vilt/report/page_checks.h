// What every page must be: closed elements, and nothing that lies outside it.
#pragma once

#include <regex>
#include <string>
#include <vector>

namespace tessera::tests {

inline size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The page closes every element, also those that HTML would let stand open. Returns what is wrong, or "".
inline std::string malformed(const std::string& page) {
  std::vector<std::string> open;
  for (size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
    const size_t end = page.find('>', at);
    if (end == std::string::npos) return "a tag is not closed";
    const std::string tag = page.substr(at + 1, end - at - 1);
    if (tag.starts_with('!') || tag.ends_with('/')) continue;
    const std::string name = tag.substr(tag.starts_with('/'), tag.find_first_of(" \n", 1) - tag.starts_with('/'));
    if (!std::regex_match(name, std::regex("[a-zA-Z][a-zA-Z0-9]*"))) return "no tag: <" + tag.substr(0, 40);
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != name)
        return "</" + name + "> closes " + (open.empty() ? "nothing" : open.back());
      open.pop_back();
    } else {
      if (count(tag, "\"") % 2 != 0) return "an attribute is not closed: <" + tag.substr(0, 60);
      open.push_back(name);
      // Scripts and styles hold < and > of their own.
      if (name == "script" || name == "style") at = page.find("</" + name, at) - 1;
    }
  }
  return open.empty() ? "" : open.back() + " is left open";
}

// Addresses of anything outside the page.
inline std::vector<std::string> references(const std::string& page) {
  std::vector<std::string> out;
  const std::regex pattern(R"re((src=|href=|action=|url\(|@import|https?:|//[a-z])[^>\s]{0,40})re");
  // std::regex needs a stack as deep as its match is long: the pictures are cut out by hand.
  const std::string picture = "data:image/png;base64,";
  std::string without_pictures = page;
  for (size_t at = 0; (at = without_pictures.find(picture, at)) != std::string::npos; at += 5) {
    const size_t end = without_pictures.find_first_of("\"')", at);
    without_pictures.replace(at, end == std::string::npos ? end : end - at, "data:");
  }
  for (auto it = std::sregex_iterator(without_pictures.begin(), without_pictures.end(), pattern);
       it != std::sregex_iterator(); ++it) {
    const std::string found = it->str();
    if (found.starts_with("href=\"#") || found.starts_with("href=\"data:") || found.starts_with("url(#")) continue;
    out.push_back(found);
  }
  return out;
}

}  // namespace tessera::tests

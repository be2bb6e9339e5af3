#include "io/weights/prefixes.h"

#include <algorithm>
#include <set>

#include "tensor/error.h"

namespace tessera {
namespace {

constexpr std::string_view kWrappers[] = {"module.", "_orig_mod.", "_fsdp_wrapped_module.",
                                          "_checkpoint_wrapped_module."};

std::string without_wrappers(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    const size_t part = std::min(name.find('.'), name.size() - 1) + 1;
    if (std::find(std::begin(kWrappers), std::end(kWrappers), name.substr(0, part)) == std::end(kWrappers))
      out += name.substr(0, part);
    name.remove_prefix(part);
  }
  return out;
}

// Of the whole parts that all names begin with, as many as make the most names the model's; of as good ones the
// fewest.
std::string best_prefix(const std::map<std::string, std::string>& plain, const NameTest& is_name) {
  std::string_view common = plain.begin()->second;
  for (const auto& [own, name] : plain)
    while (!name.starts_with(common)) common.remove_suffix(1);
  size_t best = 0, most = 0;
  for (size_t length = 0; length != std::string_view::npos; length = common.find('.', length)) {
    if (length > 0) ++length;  // with its '.'
    const auto fitting = static_cast<size_t>(std::count_if(plain.begin(), plain.end(), [&](const auto& entry) {
      return is_name(std::string_view(entry.second).substr(length));
    }));
    if (fitting > most) {
      best = length;
      most = fitting;
    }
  }
  return std::string(common.substr(0, best));
}

}  // namespace

std::map<std::string, std::string> plain_names(const NamedTensors& file, const std::string& source,
                                               const NameTest& is_name) {
  std::map<std::string, std::string> own, plain;
  for (const auto& [name, tensor] : file) {
    own.emplace(name, name);
    plain.emplace(name, without_wrappers(name));
  }
  if (file.empty()) return own;
  const std::string prefix = best_prefix(plain, is_name);
  bool any = false;
  for (auto& [name, short_name] : plain) {
    short_name.erase(0, prefix.size());
    any = any || is_name(short_name);
  }
  if (!any) return own;
  std::map<std::string, std::string> taken;
  for (const auto& [name, short_name] : plain) {
    const auto [first, is_new] = taken.emplace(short_name, name);
    check(is_new, source, ": ", first->second, " and ", name, " both stand for ", short_name,
          "; save one of the two models alone");
  }
  return plain;
}

std::string taken_off(const std::map<std::string, std::string>& plain) {
  std::set<std::string> prefixes;
  size_t changed = 0;
  bool at_the_beginning = true;
  for (const auto& [name, short_name] : plain) {
    changed += name != short_name;
    at_the_beginning = at_the_beginning && name.ends_with(short_name);
    prefixes.insert(name.substr(0, name.size() - short_name.size()));
  }
  if (changed == 0) return "";
  if (at_the_beginning && prefixes.size() == 1)
    return "taken off: the prefix '" + *prefixes.begin() + "', which every name has";
  const auto example =
      std::find_if(plain.begin(), plain.end(), [](const auto& entry) { return entry.first != entry.second; });
  return text("taken off: what wraps parts of the model, in ", changed, " of ", plain.size(), " names (",
              example->first, " is ", example->second, ")");
}

}  // namespace tessera

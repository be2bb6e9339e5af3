#include "vilt/serve/same_origin.h"

#include <arpa/inet.h>

#include <algorithm>

#include "io/printable.h"
#include "tensor/error.h"

namespace tessera::serve {
namespace {

std::string small_letters(std::string_view word) {
  std::string out(word);
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return out;
}

bool is_address(const std::string& host) {
  in_addr four{};
  in6_addr six{};
  if (host.starts_with('[') && host.ends_with(']'))
    return inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &six) == 1;
  return inet_pton(AF_INET, host.c_str(), &four) == 1;
}

}  // namespace

std::string host_without_port(std::string_view host) {
  if (host.empty() || host.size() > 300 || host.find('\0') != host.npos) return {};
  const size_t after = host.starts_with('[') ? host.find(']') : 0;
  if (after == host.npos) return {};
  const size_t colon = host.find(':', after);
  if (colon != host.npos) {
    const std::string_view port = host.substr(colon + 1);
    if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != port.npos) return {};
    host = host.substr(0, colon);
  }
  return small_letters(host);
}

std::string refused_origin(const AskedBy& by, const std::vector<std::string>& names) {
  if (by.hosts.size() != 1) return "expected one header Host";
  const std::string host = host_without_port(by.hosts[0]);
  const bool known =
      host == "localhost" || is_address(host) || std::find(names.begin(), names.end(), host) != names.end();
  if (!known)
    return text("the host ", printable(by.hosts[0]),
                " is not this server; ask by its address, or start it with --name");
  if (by.origins.size() > 1) return "more than one header Origin";
  if (!by.origins.empty() && small_letters(by.origins[0]) != "http://" + small_letters(by.hosts[0]) &&
      small_letters(by.origins[0]) != "https://" + small_letters(by.hosts[0]))
    return text("a page of ", printable(by.origins[0]), " may not ask this server");
  // A link from elsewhere may open the page.
  if ((by.fetch_site == "cross-site" || by.fetch_site == "same-site") && by.fetch_mode != "navigate")
    return "a page of another site may not ask this server";
  return {};
}

}  // namespace tessera::serve

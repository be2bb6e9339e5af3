// Who may ask: a server on this machine is within reach of every page that its user opens elsewhere.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tessera::serve {

struct AskedBy {
  std::vector<std::string> hosts, origins;  // the values of these headers
  std::string fetch_site, fetch_mode;       // Sec-Fetch-Site, Sec-Fetch-Mode; empty: not there
};

// Why the request is refused; empty: it is not. A page of another site that has its own name point here (DNS rebinding)
// sends that name as Host: names other than localhost and `names` are refused, addresses are not. A page that asks
// across origins has an Origin that is not the Host, or says so in Sec-Fetch-Site.
std::string refused_origin(const AskedBy& by, const std::vector<std::string>& names);

// The value of Host or the end of an Origin without its port, in small letters; [] stay around an address. Empty where
// it cannot be one.
std::string host_without_port(std::string_view host);

}  // namespace tessera::serve

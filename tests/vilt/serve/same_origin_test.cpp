#include "vilt/serve/same_origin.h"

#include <doctest/doctest.h>

namespace tessera::same_origin_test {
namespace {

using serve::AskedBy;
using serve::host_without_port;

bool refused(const AskedBy& by) { return !serve::refused_origin(by, {"model.example", "box"}).empty(); }
AskedBy host(const std::string& name) { return {{name}, {}, "", ""}; }

}  // namespace

TEST_CASE("The server is asked by an address, by localhost or by a name of its own, with any port") {
  for (const char* name : {"127.0.0.1:8080", "127.0.0.1", "localhost:9000", "LocalHost", "[::1]:80", "[::1]",
                           "10.1.2.3", "model.example:8080", "Model.Example", "box"})
    CHECK_MESSAGE(!refused(host(name)), name);
  for (const char* name : {"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "",
                           "127.0.0.1:8080:1", "127.0.0.1:x", "[::1", "::1", "256.1.1.1", "localhost:",
                           "localhost:123456", "evil@localhost", "localhost/", " localhost", "localhost."})
    CHECK_MESSAGE(refused(host(name)), name);
  CHECK(refused({{}, {}, "", ""}));
  CHECK(refused({{"localhost", "localhost"}, {}, "", ""}));
}

TEST_CASE("A page of another origin may not ask, one of the server's own may") {
  const auto from = [](const std::string& origin) { return AskedBy{{"127.0.0.1:8080"}, {origin}, "", ""}; };
  CHECK(!refused(from("http://127.0.0.1:8080")));
  for (const char* origin : {"http://evil.example", "http://127.0.0.1:8081", "http://127.0.0.1",
                             "http://localhost:8080", "null", "", "http://127.0.0.1:8080.evil.example", "file://"})
    CHECK_MESSAGE(refused(from(origin)), origin);
  CHECK(refused({{"127.0.0.1:8080"}, {"http://127.0.0.1:8080", "http://evil.example"}, "", ""}));
  CHECK(refused({{"localhost"}, {}, "cross-site", "no-cors"}));
  CHECK(refused({{"localhost"}, {}, "same-site", "cors"}));
  CHECK(!refused({{"localhost"}, {}, "cross-site", "navigate"}));  // a link to the page
  CHECK(!refused({{"localhost"}, {}, "same-origin", "cors"}));
  CHECK(!refused({{"localhost"}, {}, "none", "navigate"}));
}

TEST_CASE("Hosts without their ports") {
  CHECK(host_without_port("A.b:80") == "a.b");
  CHECK(host_without_port("[2001:DB8::1]:80") == "[2001:db8::1]");
  CHECK(host_without_port("a:") == "");
  CHECK(host_without_port(std::string(400, 'a')) == "");
}

}  // namespace tessera::same_origin_test

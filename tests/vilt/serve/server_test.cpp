// Refusals, limits and the end of the server, over real connections.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "report/html.h"
#include "tests/temporary_directory.h"
#include "tests/vilt/serve/served.h"

namespace tessera::server_test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using tests::Served;

const char* const kQuestion = R"({"image": "0.png", "text": "a cat"})";

class Socket {
 public:
  explicit Socket(int port) : descriptor_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected = ::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    const timeval limit{10, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  ~Socket() { ::close(descriptor_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  void send(const std::string& bytes) const { ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  // All until the other side closes, or nothing comes for ten seconds.
  std::string read() const {
    std::string out;
    char piece[4096];
    for (ssize_t got; (got = ::recv(descriptor_, piece, sizeof piece, 0)) > 0;)
      out.append(piece, static_cast<size_t>(got));
    return out;
  }
  bool connected = false;

 private:
  int descriptor_;
};

// The status of the answer to these bytes; 0: none.
int status_of(const Served& served, const std::string& request) {
  const Socket socket(served.server.port());
  socket.send(request);
  const std::string answer = socket.read();
  return answer.starts_with("HTTP/1.1 ") ? std::stoi(answer.substr(9, 3)) : 0;
}

std::string post_head(const std::string& headers) {
  return "POST /api/answer HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + headers + "\r\n";
}

}  // namespace

TEST_CASE("What there is and what there is not: 200, 404, 405, 415") {
  const Served served("vqa");
  httplib::Client client = served.client();
  for (const char* path :
       {"/", "/page/app.js", "/page/page.css", "/page/icon.svg", "/api/abilities", "/api/pictures", "/api/examples",
        "/api/picture?name=0.png", "/api/picture?test=first.png", "/api/picture?name=0.png&small=1"}) {
    const auto result = client.Get(path);
    REQUIRE_MESSAGE(result, path);
    CHECK_MESSAGE(result->status == 200, path);
    CHECK(result->get_header_value("Content-Security-Policy").find("default-src 'none'") == 0);
    CHECK(result->get_header_value("X-Content-Type-Options") == "nosniff");
  }
  CHECK(client.Get("/api/picture?name=0.png")->body == tests::contents(tests::golden_model("vqa") / "0.png"));
  CHECK(client.Get("/api/picture?name=0.png")->get_header_value("Content-Type") == "image/png");
  CHECK(client.Get("/api/picture?name=0.png&small=1")->get_header_value("Content-Type") == "image/jpeg");
  CHECK(client.Head("/")->body.empty());
  for (const char* path :
       {"/x", "/page/", "/page/none.js", "/page/../api", "/api", "/api/", "/api/answer/x", "/..", "//"})
    CHECK_MESSAGE(client.Get(path)->status == 404, path);
  CHECK(client.Get("/api/answer")->status == 405);
  CHECK(client.Get("/api/answer")->get_header_value("Allow") == "POST");
  CHECK(client.Post("/api/abilities", "{}", "application/json")->status == 405);
  CHECK(client.Delete("/")->status == 405);
  CHECK(client.Put("/api/answer", kQuestion, "application/json")->status == 405);
  CHECK(client.Options("/api/answer")->status == 405);
  CHECK(client.Post("/api/answer", kQuestion, "text/plain")->status == 415);
  CHECK(client.Post("/api/answer", {{"Content-Encoding", "gzip"}}, kQuestion, "application/json")->status == 415);
  // Only what the checkpoint can do.
  const auto [status, refusal] = served.post("/api/fill", kQuestion);
  CHECK(status == 404);
  CHECK(refusal["error"] == "no head for masked words; this checkpoint has a classifier over one image (vilt answer)");
  CHECK(json::parse(client.Get("/api/abilities")->body)["tasks"] == json({"answer", "look"}));
}

TEST_CASE("A bad request is a 400 that says why") {
  const Served served("vqa");
  const auto error = [&](const std::string& body) {
    const auto [status, answer] = served.post("/api/answer", body);
    CHECK_MESSAGE(status == 400, body);
    return answer.value("error", "");
  };
  CHECK(error("{").find("request") == 0);
  CHECK(error("").find("request") == 0);
  CHECK(error(R"({"image": "0.png"})") == "request: field 'text' is missing");
  CHECK(error(R"({"image": "0.png", "text": 5})") == "request: field 'text' is a number, expected a string");
  CHECK(error(R"({"image": "0.png", "text": "a", "texts": ["b"]})").find("there is no field 'texts'") !=
        std::string::npos);
  CHECK(error(R"({"image": "0.png", "text": "a", "top": 0})").find("'top' is 0") != std::string::npos);
  CHECK(error(R"({"image": "0.png", "text": "a", "truncate": 1})").find("'truncate' is a number") != std::string::npos);
  CHECK(error(R"({"image": "0.png", "text": "a", "id": []})").find("'id' is an array") != std::string::npos);
  CHECK(error(R"({"image": "../vqa/0.png", "text": "a"})").find("leads out of the folder") != std::string::npos);
  CHECK(error(R"({"image": "/etc/passwd", "text": "a"})").find("leads out of the folder") != std::string::npos);
  CHECK(error(R"({"image": {"base64": "bm90IGEgcGljdHVyZQ=="}, "text": "a"})") ==
        "image: the file is text that begins 'not a picture', expected a JPEG, PNG, WebP or GIF picture");
  CHECK(error(R"({"image": "vocab.txt", "text": "a"})").find("expected a JPEG") != std::string::npos);
  CHECK(served.post("/api/answer", R"({"image": "none.png", "text": "a"})").first == 404);
  CHECK(served.post("/api/answer", R"({"image": {"test": "none"}, "text": "a"})").first == 404);
  const auto look = [&](const std::string& fields) {
    const auto [status, answer] = served.post("/api/look", R"({"image": "0.png", )" + fields + "}");
    CHECK_MESSAGE(status == 400, fields);
    return answer.value("error", "");
  };
  CHECK(look(R"("text": "")") == "request: field 'text' has no words");
  CHECK(look(R"("text": "a", "layer": 99)").find("'layer' is 99") != std::string::npos);
  CHECK(look(R"("text": "a", "head": -1)").find("'head' is -1") != std::string::npos);
  CHECK(look(R"("text": "a", "beta": 0)").find("'beta' is 0") != std::string::npos);
  CHECK(look(R"("text": "a", "iterations": 1.5)").find("'iterations' is a number, expected a whole") !=
        std::string::npos);
  CHECK(look(R"("text": "a", "images": ["0.png"])").find("either field 'image' or field 'images'") !=
        std::string::npos);
  // A name in the address is taken apart once, and leads nowhere else.
  httplib::Client client = served.client();
  for (const char* name : {"..%2F..%2Fvqa%2F0.png", "%2Fetc%2Fpasswd", "%252e%252e/0.png", "0.png%00", "", "."}) {
    const int status = client.Get(std::string("/api/picture?name=") + name)->status;
    CHECK_MESSAGE((status == 400 || status == 404), name);
  }
  CHECK(client.Get("/api/picture")->status == 400);
  CHECK(client.Get("/api/picture?name=config.json")->status == 404);  // no picture leaves nothing
  CHECK(client.Get("/api/picture?name=0.png&test=first.png")->status == 400);
}

TEST_CASE("Pages of other sites cannot ask") {
  const Served served("vqa");
  httplib::Client client = served.client();
  CHECK(client.Get("/api/abilities", {{"Host", "evil.example"}})->status == 403);
  CHECK(client.Get("/", {{"Host", "evil.example:" + std::to_string(served.server.port())}})->status == 403);
  CHECK(client.Post("/api/answer", {{"Origin", "http://evil.example"}}, kQuestion, "application/json")->status == 403);
  CHECK(client.Get("/api/pictures", {{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "no-cors"}})->status == 403);
  const std::string own = "http://127.0.0.1:" + std::to_string(served.server.port());
  CHECK(client.Post("/api/answer", {{"Origin", own}}, kQuestion, "application/json")->status == 200);
  CHECK(client.Get("/")->get_header_value("Access-Control-Allow-Origin").empty());
}

TEST_CASE("Bodies, heads and pictures have limits") {
  serve::ServerOptions options;
  options.body_bytes = 30'000;
  serve::ApiOptions api;
  api.pictures.pixels = 1000;
  api.pictures.bytes = 20'000;
  const Served served("vqa", options, api);
  CHECK(served.post("/api/answer", json{{"image", "0.png"}, {"text", std::string(30'000, 'a')}}.dump()).first == 413);
  CHECK(status_of(served, post_head("Content-Length: 30001\r\n")) == 413);
  CHECK(status_of(served, post_head("Content-Length: 99999999999999999999\r\n")) == 413);
  CHECK(status_of(served, post_head("Content-Length: -1\r\n")) == 400);
  CHECK(status_of(served, post_head("Content-Length: 5\r\nContent-Length: 6\r\n")) == 400);
  CHECK(status_of(served, post_head("Transfer-Encoding: chunked\r\n")) == 411);
  CHECK(status_of(served, post_head("")) == 411);
  CHECK(status_of(served, post_head("Content-Length: 40000\r\nExpect: 100-continue\r\n")) == 413);
  CHECK(status_of(served, "GET / HTTP/1.1\r\n\r\n") == 403);  // no Host
  CHECK(status_of(served, "nonsense\r\n\r\n") == 400);
  CHECK(status_of(served, "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: localhost\r\n\r\n") == 414);
  CHECK(status_of(served, "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(9000, 'a') + "\r\n\r\n") == 400);
  std::string many = "GET / HTTP/1.1\r\nHost: localhost\r\n";
  for (int i = 0; i < 2000; ++i) many += "X-Header-" + std::to_string(i) + ": " + std::string(40, 'a') + "\r\n";
  CHECK(status_of(served, many + "\r\n") == 431);
  // 64 × 64 or more pixels.
  const auto [status, answer] = served.post("/api/answer", kQuestion);
  CHECK(status == 400);
  CHECK(answer["error"].get<std::string>().find("the limit is 1000 in all") != std::string::npos);
  const std::string large(21'000, 'x');
  const auto form = served.client().Post(
      "/api/answer", httplib::MultipartFormDataItems{{"image", large, "a.png", ""}, {"text", "a", "", ""}});
  CHECK(form->status == 400);
  CHECK(json::parse(form->body)["error"] == "a.png: the picture has 21000 bytes, the limit is 20000");
}

TEST_CASE("What is refused before its body is read is not taken for a request of its own") {
  const Served served("vqa");
  const std::string inner = "GET /api/abilities HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const Socket socket(served.server.port());
  socket.send("POST /api/none HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(inner.size()) +
              "\r\n\r\n" + inner);
  const std::string answer = socket.read();
  CHECK(answer.starts_with("HTTP/1.1 404"));
  CHECK(answer.find("HTTP/1.1", 5) == std::string::npos);
  CHECK(answer.find("Connection: close") != std::string::npos);
}

TEST_CASE("An address that asks too often is told to wait") {
  serve::ServerOptions options;
  options.rate = 0.5;
  const Served served("vqa", options);
  httplib::Client client = served.client();
  for (int i = 0; i < 5; ++i) CHECK(client.Get("/api/abilities")->status == 200);
  const auto refused = client.Get("/api/abilities");
  CHECK(refused->status == 429);
  CHECK(refused->get_header_value("Retry-After") == "1");
}

TEST_CASE("Connections beyond the limit are told 503, and there is room again when one ends") {
  serve::ServerOptions options;
  options.connections = 2;
  const Served served("vqa", options);
  const auto first = std::make_unique<Socket>(served.server.port());
  const Socket second(served.server.port());
  first->send("GET / HTTP/1.1\r\nHost: local");
  second.send("GET / HTTP/1.1\r\nHost: local");
  std::this_thread::sleep_for(100ms);
  const Socket third(served.server.port());
  third.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string answer = third.read();
  CHECK(answer.starts_with("HTTP/1.1 503"));
  CHECK(answer.find("{\"error\":\"too many connections; try again\"}") != std::string::npos);
  first->send("host\r\nConnection: close\r\n\r\n");
  CHECK(first->read().starts_with("HTTP/1.1 200"));
  std::this_thread::sleep_for(100ms);
  CHECK(served.client().Get("/")->status == 200);
}

TEST_CASE("A request that comes too slowly is given up, however it trickles") {
  serve::ServerOptions options;
  options.timeout = 300ms;
  const Served served("vqa", options);
  const Socket socket(served.server.port());
  const auto begun = std::chrono::steady_clock::now();
  std::thread trickle([&] {
    for (const char c : std::string("GET / HTTP/1.1\r\nHost: localhost\r\n")) {
      socket.send(std::string(1, c));
      std::this_thread::sleep_for(30ms);
    }
  });
  const std::string answer = socket.read();
  CHECK(std::chrono::steady_clock::now() - begun < 5s);
  trickle.join();
  CHECK((answer.empty() || answer.starts_with("HTTP/1.1 408")));
  CHECK(status_of(served, post_head("Content-Length: 100\r\n") + "half") == 408);
}

TEST_CASE("The end: what has been asked is answered, what comes then is not, and idle connections do not hold it up") {
  Served served("vqa");
  httplib::Client idle = served.client();
  idle.set_keep_alive(true);
  CHECK(idle.Get("/api/abilities")->status == 200);
  // A request whose head is there, and whose body comes after the end has begun.
  const std::string body = kQuestion;
  const Socket running(served.server.port());
  running.send(post_head("Content-Length: " + std::to_string(body.size()) + "\r\n"));
  std::this_thread::sleep_for(100ms);
  const Socket slow(served.server.port());
  slow.send("GET / HTTP/1.1\r\nHost: loc");
  std::this_thread::sleep_for(100ms);
  const auto begun = std::chrono::steady_clock::now();
  std::thread end([&] { served.end(); });
  std::this_thread::sleep_for(150ms);
  running.send(body);
  slow.send("alhost\r\n\r\n");
  const std::string answer = running.read();
  CHECK(answer.starts_with("HTTP/1.1 200"));
  CHECK(answer.find("\"results\"") != std::string::npos);
  CHECK(answer.find("Connection: close") != std::string::npos);
  CHECK(slow.read().starts_with("HTTP/1.1 503"));
  end.join();
  CHECK(std::chrono::steady_clock::now() - begun < 1500ms);
  CHECK(!Socket(served.server.port()).connected);
  CHECK(!idle.Get("/api/abilities"));
}

TEST_CASE("Each request has its line: method, path, status, time") {
  Served served("vqa");
  served.client().Get("/api/abilities");
  served.post("/api/answer", kQuestion);
  served.client().Get("/no%0Asuch");
  served.end();
  std::vector<std::string> lines = served.log();
  REQUIRE(lines.size() == 3);
  // A line is written after its answer is sent, so that of the next connection may come before it.
  std::sort(lines.begin(), lines.end());
  CHECK(lines[0].starts_with("GET /api/abilities 200 "));
  CHECK(lines[1].starts_with("GET /no\\x0asuch 404 "));
  CHECK(lines[2].starts_with("POST /api/answer 200 "));
  CHECK(lines[0].ends_with(" ms"));
}

TEST_CASE("A port that is taken, and an address that is not there, are errors that say so") {
  const Served served("vqa");
  serve::ServerOptions options;
  options.port = served.server.port();
  serve::Api api(served.model, nullptr, {}, {});
  CHECK_THROWS_WITH_AS(serve::Server(api, options), doctest::Contains("Address already in use; choose another --port"),
                       Error);
  options.address = "no.such.name.invalid";
  CHECK_THROWS_AS(serve::Server(api, options), Error);
}

}  // namespace tessera::server_test

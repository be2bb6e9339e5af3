#include "vilt/serve/server.h"

#include <fcntl.h>
#include <netdb.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <thread>

#include "io/printable.h"
#include "io/words.h"
#include "tensor/error.h"
#include "vilt/serve/api.h"
#include "vilt/serve/connection.h"
#include "vilt/serve/rate.h"
#include "vilt/serve/same_origin.h"

namespace tessera::serve {

using namespace std::chrono_literals;
using httplib::Request;
using httplib::Response;

namespace {

constexpr auto kIdle = 5s;  // how long a connection may stay without a request

// The request that this thread works on.
struct Current {
  Connection* connection = nullptr;
  Connection::Clock::time_point begun, latest;
  int64_t body = 0;     // bytes of it that count in the sum of all
  bool close = false;   // the connection ends with it
  bool unread = false;  // something of it may still come
};
thread_local Current current;

const char* reason_of(int status) {
  switch (status) {
    case 400: return "the request cannot be understood";
    case 408: return "the request did not arrive within the time limit";
    case 413: return "the request is larger than this server takes";
    case 414: return "the address is too long";
    case 416: return "there is no such part of it";
    case 431: return "the head of the request is too large";
    default: return "the request failed";
  }
}

std::vector<std::string> values(const Request& request, const char* header) {
  std::vector<std::string> out;
  for (size_t i = 0; i < request.get_header_value_count(header); ++i)
    out.push_back(request.get_header_value(header, i));
  return out;
}

bool resolves(const std::string& name) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return false;
  ::freeaddrinfo(found);
  return true;
}

// Nothing from elsewhere, no script but our own, in nobody's frame.
const httplib::Headers& safe_headers() {
  static const httplib::Headers kHeaders = {
      {"Content-Security-Policy",
       "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
       "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
      {"X-Content-Type-Options", "nosniff"},
      {"X-Frame-Options", "DENY"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
  };
  return kHeaders;
}

}  // namespace

class Server::Http : public httplib::Server {
 public:
  Http(Api& api, const ServerOptions& options)
      : api_(api), options_(options), rate_(options.rate), wake_(::eventfd(0, EFD_CLOEXEC)) {
    check(wake_ >= 0, "serve: ", std::strerror(errno));
    set_handlers();
    bind_address();
  }
  ~Http() override { ::close(wake_); }

  int port() const { return port_; }

  void serve() { check(listen_after_bind(), "serve: connections cannot be accepted: ", std::strerror(errno)); }

  void drain() {
    draining_ = true;
    const uint64_t one = 1;
    check(::write(wake_, &one, sizeof one) == sizeof one, "serve: ", std::strerror(errno));
    while (!is_running()) std::this_thread::sleep_for(1ms);
    stop();
  }

 private:
  void bind_address() {
    set_tcp_nodelay(true);  // head and body are written one after the other
    // Without the library's SO_REUSEPORT, by which another program could take requests of this one.
    set_socket_options([](socket_t socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    // The library tells neither whether a name was found, nor leaves errno alone while it looks.
    check(resolves(options_.address), "cannot listen on ", escape_controls(options_.address), ", port ", options_.port,
          ": there is no such address");
    port_ = options_.port == 0 ? bind_to_any_port(options_.address)
                               : (bind_to_port(options_.address, options_.port) ? options_.port : -1);
    const int error = errno;
    check(port_ > 0, "cannot listen on ", escape_controls(options_.address), ", port ", options_.port, ": ",
          std::strerror(error), error == EADDRINUSE ? "; choose another --port, or 0 for any" : "");
    ::listen(svr_sock_, SOMAXCONN);  // the library's five wait no longer than a burst of clients
  }

  void set_handlers() {
    set_default_headers(safe_headers());
    set_payload_max_length(static_cast<size_t>(options_.body_bytes));
    // One more, who turns away those that are too many.
    new_task_queue = [this] { return new httplib::ThreadPool(static_cast<size_t>(options_.connections) + 1); };
    set_pre_routing_handler([this](const Request& request, Response& response) {
      if (refused(request, response)) return HandlerResponse::Handled;
      if (!rate_.allows(request.remote_addr, std::chrono::steady_clock::now())) {
        current.unread = request.method == "POST";
        response.set_header("Retry-After", "1");
        refuse(response, 429, "too many requests from this address; wait a moment");
        return HandlerResponse::Handled;
      }
      if (request.method == "POST") return begin_body(request, response);
      answer(request, response);
      return HandlerResponse::Handled;
    });
    set_expect_100_continue_handler([this](const Request& request, Response& response) {
      return refused(request, response) ? response.status : 100;
    });
    Post("/api/[a-z]+", [this](const Request& request, Response& response) { answer(request, response); });
    set_error_handler([](const Request&, Response& response) {
      if (!response.body.empty()) return;
      current.unread = true;
      if (current.connection->late()) response.status = 408;
      if (current.connection->head_too_large()) response.status = 431;
      refuse(response, response.status, reason_of(response.status));
    });
    set_post_routing_handler([this](const Request&, Response& response) {
      if (!response.has_header("Cache-Control")) response.set_header("Cache-Control", "no-store");
      response.headers.erase("Keep-Alive");  // its numbers are not those of these connections
      if (draining_) current.close = true;
      if (!current.close) return;
      response.headers.erase("Connection");
      response.set_header("Connection", "close");
    });
    set_logger([this](const Request& request, const Response& response) { log(request, response); });
  }

  // An answer to a request whose body nobody reads ends the connection: what follows on it would be that body.
  static void refuse(Response& response, int status, const std::string& reason) {
    current.close = true;
    response.status = status;
    response.set_content(error_json(reason) + "\n", "application/json");
  }

  bool refused(const Request& request, Response& response) const {
    const auto no = [&](int status, const std::string& reason) {
      current.unread = request.has_header("Content-Length") || request.has_header("Transfer-Encoding");
      refuse(response, status, reason);
      return true;
    };
    if (draining_) return no(503, "the server is ending");
    const std::string foreign =
        refused_origin({values(request, "Host"), values(request, "Origin"), request.get_header_value("Sec-Fetch-Site"),
                        request.get_header_value("Sec-Fetch-Mode")},
                       options_.names);
    if (!foreign.empty()) return no(403, foreign);
    std::string allowed;
    const int status = api_.status_before_body(request.method, request.path, allowed);
    if (status == 404) return no(404, "there is no " + printable(request.path));
    if (status == 405) {
      response.set_header("Allow", allowed);
      return no(405, "expected " + allowed + ", not " + request.method);
    }
    // What is packed could be of any size.
    if (request.has_header("Content-Encoding")) return no(415, "packed requests are not taken");
    if (request.has_header("Transfer-Encoding")) return no(411, "expected a header Content-Length");
    const std::vector<std::string> lengths = values(request, "Content-Length");
    const bool post = request.method == "POST";
    if (lengths.size() > 1) return no(400, "more than one header Content-Length");
    if (lengths.empty()) return post ? no(411, "expected a header Content-Length") : false;
    const std::string& length = lengths[0];
    if (length.empty() || length.find_first_not_of("0123456789") != length.npos)
      return no(400, "the header Content-Length is no number");
    if (length.size() > 15 || std::stoll(length) > options_.body_bytes)
      return no(413, text("the request has ", length, " bytes, the limit is ", options_.body_bytes));
    if (!post && std::stoll(length) > 0) return no(400, request.method + " has no body here");
    return false;
  }

  // Bodies of all connections together must fit in memory.
  HandlerResponse begin_body(const Request& request, Response& response) {
    current.body = std::stoll(request.get_header_value("Content-Length"));
    if (bodies_.fetch_add(current.body) + current.body <= 8 * options_.body_bytes) return HandlerResponse::Unhandled;
    current.unread = true;
    response.set_header("Retry-After", "1");
    refuse(response, 503, "too much is being sent at once; try again");
    return HandlerResponse::Handled;
  }

  void answer(const Request& request, Response& response) {
    Call call{request.method, request.path, {}, request.get_header_value("Content-Type"), request.body, {},
              current.latest};
    for (const auto& [name, value] : request.params) call.parameters[name] = value;
    for (const auto& [name, part] : request.files) call.parts.push_back({part.name, part.filename, part.content});
    Reply reply = api_.handle(call);
    response.status = reply.status;
    if (reply.status == 503) response.set_header("Retry-After", "1");
    if (reply.keeps) response.set_header("Cache-Control", "private, max-age=60");
    response.set_content(reply.body, reply.type);
  }

  void log(const Request& request, const Response& response) const {
    if (!options_.log) return;
    const std::chrono::duration<double, std::milli> time = Connection::Clock::now() - current.begun;
    const std::string path = request.path.empty() ? "-" : escape_controls(request.path.substr(0, 200));
    options_.log(text(request.method.empty() ? "-" : request.method, ' ', path, ' ', response.status, ' ',
                      fixed_text(time.count(), 1), " ms"));
  }

  bool process_and_close_socket(socket_t socket) override {
    Connection connection(socket, wake_);
    if (++open_ > options_.connections)
      turn_away(connection);
    else
      serve_connection(connection);
    --open_;
    ::close(socket);
    return true;
  }

  void turn_away(Connection& connection) {
    const std::string body = error_json("too many connections; try again") + "\n";
    const std::string head = text(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
        "Connection: close\r\nContent-Length: ",
        body.size(), "\r\n\r\n");
    connection.begin_request(Connection::Clock::now());
    connection.write((head + body).data(), head.size() + body.size());
    ::shutdown(connection.socket(), SHUT_WR);
    char thrown_away[4096];
    while (::recv(connection.socket(), thrown_away, sizeof thrown_away, MSG_DONTWAIT) > 0) {
    }
    if (options_.log) options_.log("- - 503 0.0 ms");
  }

  void serve_connection(Connection& connection) {
    bool open = true;
    while (open && connection.wait_for_request(kIdle)) {
      const auto now = Connection::Clock::now();
      current = {&connection, now, now + options_.timeout, 0, false, false};
      connection.begin_request(current.latest);
      bool closed = false;
      const auto set_up = [&](Request& request) {
        connection.end_of_head();
        request.ranges.clear();                    // nothing here is long enough for parts of it
        request.headers.erase("Accept-Encoding");  // packing takes longer than this way
      };
      open = process_request(connection, draining_, closed, set_up) && !closed && !current.close && !draining_;
      bodies_ -= current.body;
    }
    if (current.unread) connection.linger();
    current = {};
  }

  Api& api_;
  const ServerOptions options_;
  RateLimit rate_;
  const int wake_;
  int port_ = -1;
  std::atomic<bool> draining_ = false;
  std::atomic<int64_t> open_ = 0, bodies_ = 0;
};

Server::Server(Api& api, const ServerOptions& options) : http_(std::make_unique<Http>(api, options)) {}
Server::~Server() = default;
int Server::port() const { return http_->port(); }
void Server::run() { http_->serve(); }
void Server::drain() { http_->drain(); }

}  // namespace tessera::serve

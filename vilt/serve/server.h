// The server: HTTP by cpp-httplib, connections and limits by ourselves.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tessera::serve {

class Api;

struct ServerOptions {
  std::string address = "127.0.0.1";
  int port = 8080;                                   // 0: any that is free
  std::vector<std::string> names;                    // that it may be asked by, beside localhost and addresses
  int64_t connections = 64;                          // at once; more are told 503 and closed
  int64_t body_bytes = 24 << 20;                     // of a request; eight times as much of all at once
  double rate = 10'000;                              // requests a second of one address, in a mean over ten seconds
  std::chrono::milliseconds timeout{30'000};         // of a request, from its first byte to its answer
  std::function<void(const std::string& line)> log;  // is given a line for each request, by several threads
};

class Server {
 public:
  // Takes the port; an Error says why it cannot. The API must outlive the server.
  Server(Api& api, const ServerOptions& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const;
  // Serves until drain(), and until what was begun by then is answered. Throws if connections cannot be accepted.
  void run();
  // Requests that have been begun are answered, others refused. From another thread than run().
  void drain();

 private:
  class Http;
  std::unique_ptr<Http> http_;
};

}  // namespace tessera::serve

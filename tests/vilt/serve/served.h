// A server of a tiny model on a free port, for as long as it lives.
#pragma once

#include <httplib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "io/strict_json.h"
#include "vilt/serve/api.h"
#include "vilt/serve/server.h"

namespace tessera::tests {

// "vqa", "mlm", "retrieval", "nlvr2": folders of tests/golden/cli, each with six pictures and queries about them.
inline std::filesystem::path golden_model(const std::string& name) {
  return std::filesystem::path(TESSERA_GOLDEN_DIR) / "cli" / name;
}

inline std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Served {
 public:
  explicit Served(const std::string& name, serve::ServerOptions options = {}, const serve::ApiOptions& api_options = {})
      : folder(golden_model(name)),
        model(load_model(golden_model(name))),
        api(model, &folder, examples(name), api_options),
        server(api, logged(std::move(options))),
        thread([this] { server.run(); }) {}
  ~Served() { end(); }

  // Ends it now.
  void end() {
    if (!thread.joinable()) return;
    server.drain();
    thread.join();
  }

  httplib::Client client() const {
    httplib::Client out("127.0.0.1", server.port());
    out.set_tcp_nodelay(true);
    out.set_read_timeout(30);
    return out;
  }
  // The status of an answer, and its JSON.
  std::pair<int, nlohmann::json> post(const std::string& path, const std::string& body) const {
    const httplib::Result result = client().Post(path, body, "application/json");
    if (!result) return {0, httplib::to_string(result.error())};
    return {result->status, nlohmann::json::parse(result->body, nullptr, false)};
  }
  std::vector<std::string> log() const {
    const std::lock_guard lock(mutex);
    return lines;
  }

  const serve::Folder folder;
  const LoadedModel model;
  serve::Api api;
  mutable std::mutex mutex;
  std::vector<std::string> lines;
  serve::Server server;
  std::thread thread;

 private:
  static serve::Examples examples(const std::string& name) {
    return {{{{"first.png"}, "a question", "yes"}}, {{"first.png", golden_model(name) / "0.png"}}};
  }
  serve::ServerOptions logged(serve::ServerOptions options) {
    options.port = 0;
    options.log = [this](const std::string& line) {
      const std::lock_guard lock(mutex);
      lines.push_back(line);
    };
    return options;
  }
};

}  // namespace tessera::tests

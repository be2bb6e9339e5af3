// `vilt serve`: a page to ask a model, and the same as a JSON API.
#include <chrono>
#include <exception>
#include <iostream>
#include <thread>

#include "io/printable.h"
#include "tensor/error.h"
#include "train/interruption.h"
#include "vilt/ask/inputs.h"
#include "vilt/serve/api.h"
#include "vilt/serve/server.h"
#include "vilt/tasks/settings_memory.h"

namespace tessera::command {
namespace {

void check_range(const char* option, int64_t value, int64_t least, int64_t most) {
  check(value >= least && value <= most, option, " is ", value, ", expected ", least, " to ", most);
}

serve::ApiOptions api_options(const ServeArguments& arguments) {
  check_range("--batch", arguments.batch, 1, 4096);
  check_range("--megabytes", arguments.megabytes, 1, 1024);
  check_range("--megapixels", arguments.megapixels, 1, kMaxImagePixels / 1'000'000);
  serve::ApiOptions options;
  options.batch = arguments.batch;
  options.pictures.bytes = arguments.megabytes << 20;
  options.pictures.pixels = arguments.megapixels * 1'000'000;
  options.pictures.respect_orientation = arguments.respect_orientation;
  return options;
}

serve::ServerOptions server_options(const ServeArguments& arguments) {
  check_range("--port", arguments.port, 0, 65535);
  check_range("--connections", arguments.connections, 1, 900);  // select() knows no descriptors beyond 1023
  check_range("--rate", arguments.rate, 1, 1'000'000);
  check_range("--timeout", arguments.timeout, 1, 3600);
  serve::ServerOptions options;
  options.address = arguments.listen;
  options.port = static_cast<int>(arguments.port);
  options.names = arguments.names;
  options.connections = arguments.connections;
  options.rate = static_cast<double>(arguments.rate);
  options.timeout = std::chrono::seconds(arguments.timeout);
  options.body_bytes = (arguments.megabytes << 20) * 3 / 2;  // of a picture, as base64 too
  if (!arguments.quiet) options.log = [](const std::string& line) { std::cerr << line + '\n' << std::flush; };
  return options;
}

bool is_on_this_machine(const std::string& address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

std::string url_of(const std::string& address, int port) {
  const bool any = address == "0.0.0.0" || address == "::";
  const std::string host = any ? "127.0.0.1" : address.find(':') == address.npos ? address : "[" + address + "]";
  return text("http://", host, ":", port, "/");
}

}  // namespace

int run_serve(const ServeArguments& arguments) {
  const serve::ServerOptions server_settings = server_options(arguments);
  serve::ApiOptions api_settings = api_options(arguments);
  if (arguments.model.device == "cpu") refuse_memory_that_is_not_there();
  std::unique_ptr<serve::Folder> folder;
  if (!arguments.folder.empty()) folder = std::make_unique<serve::Folder>(arguments.folder);
  const LoadedModel model = open_model(arguments.model);
  const std::filesystem::path path = std::filesystem::absolute(arguments.model.path).lexically_normal();
  api_settings.name = escape_controls((path.has_filename() ? path : path.parent_path()).filename().string());
  constexpr size_t kMostExamples = 200;
  serve::Api api(model, folder.get(), serve::test_examples(arguments.model.path, kMostExamples, std::cerr),
                 api_settings);

  const SignalGuard signals;
  serve::Server server(api, server_settings);
  if (!is_on_this_machine(arguments.listen))
    std::cerr << "note: whoever reaches this machine's " << shown(arguments.listen)
              << " can ask; there is no password and no encryption\n";
  std::cout << "listening on " << url_of(arguments.listen, server.port()) << std::endl;
  std::exception_ptr failure;
  std::atomic<bool> ended = false;
  std::thread serving([&] {
    try {
      server.run();
    } catch (...) {
      failure = std::current_exception();
    }
    ended = true;
  });
  // A handler of signals may do next to nothing, so it is asked.
  while (kept_signal() == 0 && !ended) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  if (!ended) {
    std::cerr << "note: " << signal_name(kept_signal()) << ": answering what was asked; a second one ends at once\n";
    server.drain();
  }
  serving.join();
  if (failure) std::rethrow_exception(failure);
  if (!arguments.quiet)
    std::cerr << "note: " << api.batcher().jobs() << " requests to the model in " << api.batcher().batches()
              << " batches\n";
  return 0;
}

}  // namespace tessera::command

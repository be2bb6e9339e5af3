// Many clients at once ask a server that runs (`vilt serve`), each on a connection of its own, one request after the
// other: requests a second, and the median and the 99th percentile of the time that one takes.
//
//     serve_load PORT TASK QUERIES [--clients 50] [--seconds 5] [--expected ROWS]
//
// TASK: answer, fill, match, rank or reason. QUERIES: lines of JSON, as of `vilt TASK --jsonl`, whose pictures are in
// the server's folder. With --expected, what the command wrote for them, every answer is compared with its row: all but
// numbers with a fraction are equal, and these agree within 1e-4, since batches round otherwise. The status is 1 if one
// is not.
#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

std::vector<json> lines(const std::string& file) {
  std::vector<json> out;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) out.push_back(json::parse(line));
  if (out.empty()) throw std::runtime_error(file + ": no lines");
  return out;
}

bool agree(const json& a, const json& b) {
  if (a.is_number_float() || b.is_number_float())
    return a.is_number() && b.is_number() && std::abs(a.get<double>() - b.get<double>()) <= 1e-4;
  if (a.type() != b.type() && !(a.is_number() && b.is_number())) return false;
  if (!a.is_structured()) return a == b;
  if (a.size() != b.size()) return false;
  if (a.is_array()) return std::equal(a.begin(), a.end(), b.begin(), agree);
  return std::all_of(a.items().begin(), a.items().end(), [&](const auto& entry) {
    return b.contains(entry.key()) && agree(entry.value(), b[entry.key()]);
  });
}

struct Options {
  int port = 0, clients = 50;
  double seconds = 5;
  std::string task;
  std::vector<json> queries, expected;
};

Options options_of(const std::vector<std::string>& arguments) {
  if (arguments.size() < 3 || arguments.size() % 2 == 0)
    throw std::runtime_error("usage: serve_load PORT TASK QUERIES [--clients N] [--seconds S] [--expected ROWS]");
  Options out;
  out.port = std::stoi(arguments[0]);
  out.task = arguments[1];
  out.queries = lines(arguments[2]);
  for (size_t i = 3; i < arguments.size(); i += 2) {
    const std::string& value = arguments[i + 1];
    if (arguments[i] == "--clients")
      out.clients = std::stoi(value);
    else if (arguments[i] == "--seconds")
      out.seconds = std::stod(value);
    else if (arguments[i] == "--expected")
      out.expected = lines(value);
    else
      throw std::runtime_error("there is no option " + arguments[i]);
  }
  if (!out.expected.empty() && out.expected.size() != out.queries.size())
    throw std::runtime_error("as many expected rows as queries are needed");
  return out;
}

struct Client {
  std::vector<double> milliseconds;
  std::string trouble;
};

// Without an id a line has its number, which is then that of the command's row.
void ask(const Options& options, size_t first, Clock::time_point end, Client& client) {
  httplib::Client http("127.0.0.1", options.port);
  http.set_keep_alive(true);
  http.set_tcp_nodelay(true);
  http.set_read_timeout(60);
  for (size_t at = first; Clock::now() < end; ++at) {
    const size_t i = at % options.queries.size();
    json query = options.queries[i];
    if (!query.contains("id")) query["id"] = i;
    const auto begun = Clock::now();
    const httplib::Result result = http.Post("/api/" + options.task, query.dump(), "application/json");
    client.milliseconds.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begun).count());
    if (!result)
      client.trouble = httplib::to_string(result.error());
    else if (result->status != 200)
      client.trouble = std::to_string(result->status) + ": " + result->body;
    else if (!options.expected.empty() && !agree(json::parse(result->body), options.expected[i]))
      client.trouble = "not the command's row: " + result->body;
    if (!client.trouble.empty()) return;
  }
}

int run(const Options& options) {
  std::vector<Client> clients(static_cast<size_t>(options.clients));
  std::vector<std::thread> threads;
  const auto begun = Clock::now();
  const auto end = begun + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.seconds));
  for (size_t i = 0; i < clients.size(); ++i) threads.emplace_back([&, i] { ask(options, 7 * i, end, clients[i]); });
  for (std::thread& thread : threads) thread.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  std::vector<double> times;
  for (const Client& client : clients) {
    if (!client.trouble.empty()) throw std::runtime_error(client.trouble);
    times.insert(times.end(), client.milliseconds.begin(), client.milliseconds.end());
  }
  std::sort(times.begin(), times.end());
  const auto percentile = [&](double share) {
    return times[std::min(times.size() - 1, static_cast<size_t>(share * static_cast<double>(times.size())))];
  };
  std::printf(
      "%d clients, %zu requests in %.1f s: %.0f a second, median %.1f ms, 99th percentile %.1f ms, longest %.1f ms%s\n",
      options.clients, times.size(), seconds, static_cast<double>(times.size()) / seconds, percentile(0.5),
      percentile(0.99), times.back(), options.expected.empty() ? "" : "; all as expected");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(options_of({argv + std::min(argc, 1), argv + argc}));
  } catch (const std::exception& error) {
    std::cerr << "serve_load: " << error.what() << '\n';
    return 1;
  }
}

// What is answered over HTTP is what the commands answer: the expected rows are those of a reference implementation.
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>

#include "report/html.h"
#include "tests/vilt/serve/served.h"

namespace tessera::served_answers_test {
namespace {

using nlohmann::json;
using tests::golden_model;
using tests::Served;

std::vector<json> lines(const std::filesystem::path& file) {
  std::vector<json> out;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) out.push_back(json::parse(line));
  return out;
}

// Equal but for numbers with a fraction, which agree within f32's rounding.
bool close(const json& a, const json& b) {
  if (a.is_number() && b.is_number()) return std::abs(a.get<double>() - b.get<double>()) < 2e-4;
  if (a.type() != b.type() || a.size() != b.size()) return false;
  if (a.is_object()) {
    for (const auto& [key, value] : a.items())
      if (!b.contains(key) || !close(value, b[key])) return false;
    return true;
  }
  if (!a.is_array()) return a == b;
  for (size_t i = 0; i < a.size(); ++i)
    if (!close(a[i], b[i])) return false;
  return true;
}

json with_bytes(json query, const std::filesystem::path& folder) {
  const auto given = [&](const json& name) {
    const std::string file = tests::contents(folder / name.get<std::string>());
    return json{{"base64", base64({reinterpret_cast<const uint8_t*>(file.data()), file.size()})}};
  };
  if (query.contains("image")) query["image"] = given(query["image"]);
  if (query.contains("images"))
    for (json& image : query["images"]) image = given(image);
  return query;
}

httplib::MultipartFormDataItems form_of(const json& query, const std::filesystem::path& folder) {
  httplib::MultipartFormDataItems out;
  for (const auto& [key, value] : query.items())
    for (const json& one : value.is_array() ? value : json::array({value})) {
      const std::string text = one.is_string() ? one.get<std::string>() : one.dump();
      const bool picture = key == "image" || key == "images";
      out.push_back(
          {key, picture ? tests::contents(folder / text) : text, picture ? text : "", picture ? "image/png" : ""});
    }
  return out;
}

// Names of pictures that came along are not those of the folder.
json without_names(json answer) {
  for (json& result : answer["results"])
    if (result.is_object()) result.erase("image");
  return answer;
}

}  // namespace

TEST_CASE("Every query of the reference gets its answer: by name, with the picture's bytes, as a form") {
  for (const auto& [task, name] : std::vector<std::pair<std::string, std::string>>{
           {"answer", "vqa"}, {"fill", "mlm"}, {"rank", "retrieval"}, {"reason", "nlvr2"}}) {
    const Served served(name);
    const auto folder = golden_model(name);
    const std::vector<json> queries = lines(folder / "queries.jsonl"), expected = lines(folder / "expected.jsonl");
    REQUIRE(queries.size() == expected.size());
    for (size_t i = 0; i < queries.size(); ++i) {
      CAPTURE(task);
      CAPTURE(queries[i].dump());
      // The reference lists all results; what is there of the answer is its beginning.
      const auto begins = [&](const json& answer) {
        json part = expected[i];
        const auto cut = [&](json& list, size_t size) {
          if (list.size() > size) list.erase(list.begin() + static_cast<int64_t>(size), list.end());
        };
        if (task == "fill")
          for (size_t m = 0; m < part["results"].size(); ++m)
            cut(part["results"][m]["tokens"], answer["results"][m]["tokens"].size());
        else
          cut(part["results"], answer["results"].size());
        return close(answer, part);
      };
      const auto [status, answer] = served.post("/api/" + task, queries[i].dump());
      REQUIRE_MESSAGE(status == 200, answer.dump());
      CHECK_MESSAGE(begins(answer), answer.dump());
      const auto [bytes_status, of_bytes] = served.post("/api/" + task, with_bytes(queries[i], folder).dump());
      REQUIRE(bytes_status == 200);
      CHECK(close(without_names(of_bytes), without_names(answer)));
      const httplib::Result form = served.client().Post("/api/" + task, form_of(queries[i], folder));
      REQUIRE(form);
      REQUIRE_MESSAGE(form->status == 200, form->body);
      CHECK(close(without_names(json::parse(form->body)), without_names(answer)));
    }
  }
}

TEST_CASE("Fifty clients at once get the answers that one gets, in batches") {
  const Served served("vqa");
  const std::vector<json> queries = lines(golden_model("vqa") / "queries.jsonl");
  std::vector<json> alone;
  for (const json& query : queries) alone.push_back(served.post("/api/answer", query.dump()).second);
  const int64_t before = served.api.batcher().batches();
  std::atomic<int> wrong = 0;
  std::vector<std::thread> clients;
  for (size_t c = 0; c < 50; ++c)
    clients.emplace_back([&, c] {
      httplib::Client client = served.client();
      client.set_keep_alive(true);
      for (size_t q = 0; q < 8; ++q) {
        const size_t i = (c + q) % queries.size();
        const httplib::Result result = client.Post("/api/answer", queries[i].dump(), "application/json");
        if (!result || result->status != 200 || !close(json::parse(result->body), alone[i])) ++wrong;
      }
    });
  for (std::thread& client : clients) client.join();
  CHECK(wrong == 0);
  CHECK(served.api.batcher().batches() - before < 400);
}

TEST_CASE("top and truncate are as the commands have them, and the id comes back") {
  const Served served("vqa");
  const auto [status, answer] =
      served.post("/api/answer", R"({"image": "0.png", "text": "a cat", "id": "x", "top": 2})");
  CHECK(status == 200);
  CHECK(answer["id"] == "x");
  CHECK(answer["results"].size() == 2);
  std::string text = "a";
  for (int i = 0; i < 60; ++i) text += " cat";
  const json query = {{"image", "0.png"}, {"text", text}};
  CHECK(served.post("/api/answer", query.dump()).first == 400);
  json cut = query;
  cut["truncate"] = true;
  CHECK(served.post("/api/answer", cut.dump()).first == 200);
}

TEST_CASE("Where words look: layers, heads and plans differ, the control has the words in another order") {
  const Served served("mlm");
  const auto look = [&](json fields) {
    fields.update({{"image", {{"test", "first.png"}}}, {"text", "a [MASK] cat sits"}});
    const auto [status, answer] = served.post("/api/look", fields.dump());
    REQUIRE_MESSAGE(status == 200, answer.dump());
    return answer;
  };
  const json seen = look({{"shuffle", 3}});
  CHECK(seen["words"] == json({"a", "[MASK]", "cat", "sits"}));
  const json& picture = seen["pictures"][0];
  const auto patches = picture["rows"].get<size_t>() * picture["columns"].get<size_t>();
  CHECK(picture["chance"].get<double>() == doctest::Approx(1.0 / static_cast<double>(patches)).epsilon(1e-5));
  double plan = 0;
  for (size_t word = 0; word < 4; ++word) {
    CHECK(picture["attention"][word]["weights"].size() == patches);
    const double entropy = picture["attention"][word]["entropy"].get<double>();
    CHECK((entropy > 0 && entropy <= 1));
    const double share = picture["attention"][word]["share"].get<double>();
    CHECK((share > 0 && share < 1));
    plan += picture["plan"][word]["share"].get<double>();
  }
  CHECK(plan == doctest::Approx(1).epsilon(1e-4));
  CHECK(seen["control"]["text"] != "a [MASK] cat sits");
  CHECK(seen["control"]["pictures"][0]["attention"].size() == 4);
  CHECK(look({{"shuffle", 3}}) == seen);
  CHECK(!look({}).contains("control"));
  // The mean over heads is that of the heads.
  const auto heads = seen["heads"].get<int>();
  std::vector<double> mean(patches);
  for (int head = 1; head <= heads; ++head) {
    const json one = look({{"head", head}, {"layer", 1}});
    for (size_t p = 0; p < patches; ++p)
      mean[p] += one["pictures"][0]["attention"][2]["weights"][p].get<double>() / heads;
  }
  const json all = look({{"layer", 1}});
  for (size_t p = 0; p < patches; ++p)
    CHECK(all["pictures"][0]["attention"][2]["weights"][p].get<double>() == doctest::Approx(mean[p]).epsilon(1e-4));
  CHECK(all["pictures"][0]["attention"] != picture["attention"]);
  CHECK(look({{"beta", 1.0}})["pictures"][0]["plan"] != picture["plan"]);
  CHECK(look({{"iterations", 3}})["pictures"][0]["plan"] != picture["plan"]);
}

TEST_CASE("Where the words of a statement look, in both its pictures") {
  const Served served("nlvr2");
  const auto [status, seen] =
      served.post("/api/look", R"({"images": ["0.png", "1.png"], "text": "both are red", "shuffle": 1})");
  REQUIRE(status == 200);
  CHECK(seen["pictures"].size() == 2);
  CHECK(seen["pictures"][0]["attention"] != seen["pictures"][1]["attention"]);
  CHECK(seen["control"]["pictures"].size() == 2);
}

TEST_CASE("A shuffled caption reads otherwise wherever it can") {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const serve::ShuffledWords two = serve::shuffled_words({"a", "b"}, seed);
    CHECK(two.text == "b a");
    CHECK(two.order == std::vector<int32_t>{1, 0});
    CHECK(serve::shuffled_words({"a", "a", "b"}, seed).text != "a a b");
  }
  CHECK(serve::shuffled_words({"a"}, 1).text == "a");
  CHECK(serve::shuffled_words({"a", "a"}, 1).text == "a a");
  CHECK(serve::shuffled_words({"a", "b", "c", "d", "e"}, 1).text !=
        serve::shuffled_words({"a", "b", "c", "d", "e"}, 2).text);
}

}  // namespace tessera::served_answers_test

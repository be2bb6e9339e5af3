#include "vilt/preprocessing.h"

#include <nlohmann/json.hpp>

#include "data/files.h"

namespace tessera {

using Json = nlohmann::ordered_json;

std::string preprocessing_json(const SampleOptions& options) {
  Json out;
  out["do_resize"] = options.resize;
  out["size"] = {{"shortest_edge", options.shorter}};
  out["size_divisor"] = options.patch;
  out["image_mean"] = options.norm.mean;
  out["image_std"] = options.norm.std;
  return out.dump(2) + "\n";
}

SampleOptions read_preprocessing(const std::filesystem::path& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  const Json in = Json::parse(bytes.begin(), bytes.end(), nullptr, false);
  check(in.is_object(), path.string(), ": not a JSON object");
  SampleOptions options;
  try {
    options.resize = in.value("do_resize", true);
    options.shorter = in.at("size").at("shortest_edge").get<int>();
    options.patch = in.at("size_divisor").get<int>();
    options.norm.mean = in.at("image_mean").get<std::array<float, 3>>();
    options.norm.std = in.at("image_std").get<std::array<float, 3>>();
  } catch (const nlohmann::json::exception& error) {
    fail(path.string(), ": ", error.what());
  }
  return options;
}

}  // namespace tessera

#include "vilt/files/weights.h"

#include "io/safetensors.h"
#include "tests/fuzz/targets.h"

namespace tessera::fuzz {

// Shapes that nobody has checked: a configuration that is derived from them is a possible one, and no larger than they.
void weights(Bytes bytes) {
  Weights weights;
  weights.source = "fuzz";
  weights.attention_heads = 1;
  ModelConfig config;
  const bool derived = accepted([&] {
    weights.raw = parse_safetensors(bytes, "fuzz").tensors;
    weights.state = our_names(weights.raw, "fuzz");
    config = adapt(config_of(weights), weights);
  });
  if (!derived) return;
  config.validate();
  const auto most = static_cast<int64_t>(bytes.size());
  for (const int64_t size : {config.vocab_size, config.hidden_size, config.intermediate_size, config.num_hidden_layers,
                             config.max_position_embeddings, static_cast<int64_t>(config.labels.size())})
    ensure(size <= most, "a size of ", size, " from ", most, " bytes");
}

void shard_index(Bytes bytes) {
  std::map<std::string, std::vector<std::string>> shards;
  if (!accepted([&] { shards = read_shard_index(std::string(as_text(bytes)), "fuzz"); })) return;
  ensure(!shards.empty(), "no shards");
  for (const auto& [file, names] : shards) {
    ensure(!file.empty() && file != ".." && file.find_first_of("/\\") == std::string::npos,
           "a shard in a folder: ", file);
    ensure(!names.empty(), "a shard without tensors");
  }
}

}  // namespace tessera::fuzz

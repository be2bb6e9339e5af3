#include "vilt/files/names.h"

#include <algorithm>
#include <cstring>

#include "tensor/error.h"
#include "tensor/ops/concatenate.h"
#include "vilt/heads.h"

namespace tessera {
namespace {

struct Pair {
  const char* authors;
  const char* ours;
};

// Beginnings of names. The first that fits counts.
constexpr Pair kPrefixes[] = {
    {"text_embeddings.", "vilt.embeddings.text_embeddings."},
    {"token_type_embeddings.", "vilt.embeddings.token_type_embeddings."},
    {"transformer.cls_token", "vilt.embeddings.cls_token"},
    {"transformer.pos_embed", "vilt.embeddings.position_embeddings"},
    {"transformer.mask_token", "vilt.embeddings.mask_token"},
    {"transformer.patch_embed.proj.", "vilt.embeddings.patch_embeddings.projection."},
    {"transformer.norm.", "vilt.layernorm."},
    {"pooler.", "vilt.pooler."},
};
// What Hugging Face's ViltModel consists of.
constexpr const char* kBackbone[] = {"embeddings.", "encoder.", "layernorm.", "pooler."};
constexpr Pair kBlocks = {"transformer.blocks.", "vilt.encoder.layer."};
// Inside a block, after its number.
constexpr Pair kBlockParts[] = {
    {"norm1.", "layernorm_before."},
    {"norm2.", "layernorm_after."},
    {"attn.proj.", "attention.output.dense."},
    {"mlp.fc1.", "intermediate.dense."},
    {"mlp.fc2.", "output.dense."},
    {"attn.qkv.", "attention.attention.qkv."},
    // Files that were split by others.
    {"attn.q.", "attention.attention.query."},
    {"attn.k.", "attention.attention.key."},
    {"attn.v.", "attention.attention.value."},
    {"attn.query.", "attention.attention.query."},
    {"attn.key.", "attention.attention.key."},
    {"attn.value.", "attention.attention.value."},
};
constexpr const char* kFused = "attention.attention.qkv.";
constexpr const char* kApart[] = {"query.", "key.", "value."};
const std::string kWordBias = "mlm_score.bias", kDecoderBias = "mlm_score.decoder.bias";

// "PREFIX12.rest" → "12." and "rest"; nothing if the name does not begin so.
bool split_block(const std::string& name, const char* prefix, std::string& number, std::string& rest) {
  if (!name.starts_with(prefix)) return false;
  const size_t dot = name.find('.', std::strlen(prefix));
  if (dot == std::string::npos) return false;
  number = name.substr(std::strlen(prefix), dot + 1 - std::strlen(prefix));
  rest = name.substr(dot + 1);
  return true;
}

std::string with_prefix(const std::string& name, const char* from, const char* to) {
  return to + name.substr(std::strlen(from));
}

std::string from_authors(const std::string& name) {
  std::string number, rest;
  if (split_block(name, kBlocks.authors, number, rest)) {
    for (const Pair& part : kBlockParts)
      if (rest.starts_with(part.authors)) return kBlocks.ours + number + with_prefix(rest, part.authors, part.ours);
    return name;
  }
  for (const char* head : {"vqa_classifier.", "nlvr2_classifier."})
    if (name.starts_with(head)) return with_prefix(name, head, "classifier.");
  for (const Pair& prefix : kPrefixes)
    if (name.starts_with(prefix.authors)) return with_prefix(name, prefix.authors, prefix.ours);
  return name;
}

std::string to_authors(const std::string& name, const ModelConfig& config) {
  std::string number, rest;
  if (split_block(name, kBlocks.ours, number, rest)) {
    for (const Pair& part : kBlockParts)
      if (rest.starts_with(part.ours)) return kBlocks.authors + number + with_prefix(rest, part.ours, part.authors);
    return name;
  }
  if (name.starts_with("classifier.")) return (config.num_images > 1 ? "nlvr2_" : "vqa_") + name;
  for (const Pair& prefix : kPrefixes)
    if (name.starts_with(prefix.ours)) return with_prefix(name, prefix.ours, prefix.authors);
  return name;
}

// Names of Hugging Face, of any of its versions, and of parameters in memory.
std::string from_hugging_face(const std::string& name) {
  for (const char* part : kBackbone)
    if (name.starts_with(part)) return "vilt." + name;
  const std::string memory = ".attention.qkv.";
  const size_t at = name.find(memory);
  if (at == std::string::npos || name.find(kFused) != std::string::npos) return name;
  return std::string(name).replace(at, memory.size(), std::string(".") + kFused);
}

bool equal_values(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.to(DType::f64).to_vector<double>() == b.to(DType::f64).to_vector<double>();
}

class Collector {
 public:
  Collector(NamedState& out, const std::string& source) : out_(out), source_(source) {}

  void add(const std::string& name, const std::string& original, const Tensor& tensor) {
    const size_t fused = name.find(kFused);
    if (fused == std::string::npos) return add_one(name, original, tensor);
    check(tensor.dim() >= 1 && tensor.size(0) % 3 == 0, source_, ": ", original, " is ", tensor.shape(),
          ", expected a multiple of 3 rows: queries, keys and values");
    const int64_t rows = tensor.size(0) / 3;
    const std::string stem = name.substr(0, fused) + "attention.attention.";
    for (int64_t i = 0; i < 3; ++i)
      add_one(stem + kApart[i] + name.substr(fused + std::strlen(kFused)), original, tensor.narrow(0, i * rows, rows));
  }

 private:
  void add_one(const std::string& name, const std::string& original, const Tensor& tensor) {
    const auto [entry, is_new] = out_.tensors.emplace(name, tensor);
    const auto [first, unused] = originals_.emplace(name, original);
    if (is_new) return;
    check(name == kWordBias && equal_values(entry->second, tensor), source_, ": ", first->second, " and ", original,
          " both stand for ", name);
  }

  NamedState& out_;
  const std::string& source_;
  std::map<std::string, std::string> originals_;
};

}  // namespace

const char* name_of(Naming naming) {
  if (naming == Naming::authors) return "the authors' names";
  return naming == Naming::hugging_face ? "Hugging Face's names" : "names that are not ViLT's";
}

bool is_vilt_name(std::string_view name) {
  const auto begins = [&](const char* beginning) { return name.starts_with(beginning); };
  const bool is_authors = begins(kBlocks.authors) || begins("vqa_classifier.") || begins("nlvr2_classifier.") ||
                          std::any_of(std::begin(kPrefixes), std::end(kPrefixes),
                                      [&](const Pair& prefix) { return begins(prefix.authors); });
  if (is_authors || head_of(name) != nullptr) return true;
  if (name.starts_with("vilt.")) name.remove_prefix(std::strlen("vilt."));
  return std::any_of(std::begin(kBackbone), std::end(kBackbone), begins);
}

NamedState our_names(const StateDict& file, const std::string& source) {
  NamedState out;
  const auto begins = [&](const char* prefix) {
    return std::any_of(file.begin(), file.end(), [&](const auto& entry) { return entry.first.starts_with(prefix); });
  };
  const bool is_authors = begins("transformer.");
  const bool is_hugging_face = begins("vilt.") || begins("embeddings.");
  out.naming = is_authors ? Naming::authors : is_hugging_face ? Naming::hugging_face : Naming::other;
  out.pair_classifier = begins("nlvr2_classifier.");
  check(!(begins("nlvr2_classifier.") && begins("vqa_classifier.")), source,
        ": holds a classifier for questions and one for pairs of images; only one can be used");
  Collector collector(out, source);
  for (const auto& [name, tensor] : file) {
    const bool is_range = name.ends_with("position_ids");
    if (is_range || name == "n_averaged") {
      out.notes.push_back("ignored: " + name + (is_range ? " (a buffer: 0, 1, 2, …)" : " (of an averaged model)"));
      continue;
    }
    const std::string ours = is_authors ? from_authors(name) : from_hugging_face(name);
    collector.add(ours == kDecoderBias ? kWordBias : ours, name, tensor);
  }
  return out;
}

StateDict authors_names(const StateDict& ours, const ModelConfig& config) {
  StateDict out;
  for (const auto& [name, tensor] : ours) {
    const size_t query = name.find("attention.attention.query.");
    if (query != std::string::npos) {
      std::vector<Tensor> parts;
      for (const char* part : kApart) parts.push_back(ours.at(std::string(name).replace(query + 20, 6, part)));
      out.emplace(to_authors(std::string(name).replace(query + 20, 6, "qkv."), config), ops::concatenate(parts, 0));
    } else if (name.find("attention.attention.") == std::string::npos) {
      out.emplace(to_authors(name, config), tensor);
    }
  }
  return out;
}

StateDict hugging_face_names(const StateDict& ours, const std::string& architecture) {
  StateDict out;
  const bool is_bare = architecture == "ViltModel";
  for (const auto& [name, tensor] : ours) {
    if (name == kWordBias)
      out.emplace(kDecoderBias, tensor);
    else
      out.emplace(is_bare ? name.substr(name.find('.') + 1) : name, tensor);
  }
  return out;
}

}  // namespace tessera

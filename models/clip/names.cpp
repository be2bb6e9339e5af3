#include "models/clip/names.h"

#include <algorithm>
#include <array>

#include "tensor/error.h"
#include "tensor/ops/concatenate.h"

namespace tessera {
namespace {

struct NamePair {
  std::string_view openai, hugging_face;
};

// Whole names or, of a module, what stands before ".weight" and ".bias".
constexpr NamePair kNames[] = {
    {"visual.class_embedding", "vision_model.embeddings.class_embedding"},
    {"visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight"},
    {"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"},
    {"visual.ln_pre", "vision_model.pre_layrnorm"},
    {"visual.ln_post", "vision_model.post_layernorm"},
    {"visual.proj", "visual_projection.weight"},
    {"token_embedding.weight", "text_model.embeddings.token_embedding.weight"},
    {"positional_embedding", "text_model.embeddings.position_embedding.weight"},
    {"ln_final", "text_model.final_layer_norm"},
    {"text_projection", "text_projection.weight"},
    {"logit_scale", "logit_scale"},
};
constexpr NamePair kBlockPlaces[] = {{"visual.transformer.resblocks.", "vision_model.encoder.layers."},
                                     {"transformer.resblocks.", "text_model.encoder.layers."}};
constexpr NamePair kParts[] = {{"attn.out_proj", "self_attn.out_proj"},
                               {"ln_1", "layer_norm1"},
                               {"ln_2", "layer_norm2"},
                               {"mlp.c_fc", "mlp.fc1"},
                               {"mlp.c_proj", "mlp.fc2"}};
constexpr std::array<std::string_view, 2> kKinds{"weight", "bias"};
constexpr std::array<std::string_view, 3> kProjections{"q_proj", "k_proj", "v_proj"};
constexpr std::string_view kNumbers[] = {"input_resolution", "context_length", "vocab_size"};

// "12.rest" → 12. and "rest"; false where it does not begin so.
bool cut_number(std::string_view name, std::string_view& number, std::string_view& rest) {
  const size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
  if (digits == 0 || digits > 5 || digits + 1 >= name.size() || name[digits] != '.') return false;
  number = name.substr(0, digits + 1);
  rest = name.substr(digits + 1);
  return true;
}

// The part of `name` in the naming `from` as the naming `to` has it: modules keep their ".weight" or ".bias".
std::string renamed(std::string_view name, const NamePair& pair, std::string_view NamePair::*from,
                    std::string_view NamePair::*to) {
  if (name == pair.*from) return std::string(pair.*to);
  for (const std::string_view kind : kKinds)
    if (name.size() == (pair.*from).size() + 1 + kind.size() && name.starts_with(pair.*from) &&
        name[(pair.*from).size()] == '.' && name.ends_with(kind))
      return text(pair.*to, '.', kind);
  return "";
}

// The other naming's name; "" where there is none, or not one alone.
std::string translate(std::string_view name, std::string_view NamePair::*from, std::string_view NamePair::*to) {
  for (const NamePair& pair : kNames)
    if (std::string found = renamed(name, pair, from, to); !found.empty()) return found;
  for (const NamePair& place : kBlockPlaces) {
    std::string_view number, rest;
    if (!name.starts_with(place.*from) || !cut_number(name.substr((place.*from).size()), number, rest)) continue;
    for (const NamePair& part : kParts)
      if (const std::string found = renamed(rest, part, from, to); !found.empty())
        return text(place.*to, number, found);
  }
  return "";
}

// "vision_model.encoder.layers.3." and the kind of OpenAI's fused projection; "" if `name` is not one.
std::string fused_place(std::string_view name, std::string_view& kind) {
  for (const NamePair& place : kBlockPlaces) {
    std::string_view number, rest;
    if (!name.starts_with(place.openai) || !cut_number(name.substr(place.openai.size()), number, rest)) continue;
    for (const std::string_view each : kKinds)
      if (rest == text("attn.in_proj_", each)) {
        kind = each;
        return text(place.hugging_face, number);
      }
  }
  return "";
}

bool is_hugging_face_name(std::string_view name) {
  if (!translate(name, &NamePair::hugging_face, &NamePair::openai).empty()) return true;
  for (const NamePair& place : kBlockPlaces) {
    std::string_view number, rest;
    if (!name.starts_with(place.hugging_face) || !cut_number(name.substr(place.hugging_face.size()), number, rest))
      continue;
    for (const std::string_view projection : kProjections)
      for (const std::string_view kind : kKinds)
        if (rest == text("self_attn.", projection, '.', kind)) return true;
  }
  return false;
}

bool is_openai_name(std::string_view name) {
  std::string_view kind;
  return !translate(name, &NamePair::openai, &NamePair::hugging_face).empty() || !fused_place(name, kind).empty();
}

bool is_resnet_name(std::string_view name) {
  for (const std::string_view part : {"conv", "bn", "layer", "attnpool."})
    if (name.starts_with("visual.") && name.substr(std::string_view("visual.").size()).starts_with(part)) return true;
  return false;
}

bool is_left_out(std::string_view name) {
  return name.ends_with(".position_ids") || name.ends_with(".num_batches_tracked") ||
         std::find(std::begin(kNumbers), std::end(kNumbers), name) != std::end(kNumbers);
}

// open_clip's "text.transformer.…" without the "text.".
std::string_view without_tower(std::string_view name) {
  constexpr std::string_view kTower = "text.";
  return name.starts_with(kTower) && is_openai_name(name.substr(kTower.size())) ? name.substr(kTower.size()) : name;
}

}  // namespace

bool is_clip_name(std::string_view name) {
  return is_hugging_face_name(name) || is_openai_name(without_tower(name)) || is_left_out(name) || is_resnet_name(name);
}

bool has_resnet(const NamedTensors& tensors) { return tensors.contains("visual.layer1.0.conv1.weight"); }

ClipState clip_names(const NamedTensors& file, const std::string& source) {
  ClipState out;
  const auto put = [&](const std::string& name, const Tensor& tensor, const std::string& own) {
    check(out.tensors.emplace(name, tensor).second, source, ": ", own, " stands for ", name,
          ", which the file has already");
  };
  std::string left_out;
  int64_t counts = 0;
  const bool resnet = has_resnet(file);
  for (const auto& [own, tensor] : file) {
    const std::string_view name = without_tower(own);
    std::string_view kind;
    if (own.ends_with(".num_batches_tracked")) {
      ++counts;
    } else if (resnet && is_resnet_name(own)) {
      put(own, tensor, own);
    } else if (is_left_out(own)) {
      left_out += (left_out.empty() ? "" : ", ") + own;
    } else if (is_hugging_face_name(own) && own != "logit_scale") {
      put(own, tensor, own);
    } else if (const std::string place = fused_place(name, kind); !place.empty()) {
      check(tensor.dim() > 0 && tensor.size(0) % 3 == 0, source, ": ", own, " is ", tensor.shape(),
            ", expected three times as many rows as there are channels");
      const int64_t rows = tensor.size(0) / 3;
      for (size_t i = 0; i < kProjections.size(); ++i)
        put(text(place, "self_attn.", kProjections[i], '.', kind),
            tensor.narrow(0, static_cast<int64_t>(i) * rows, rows), own);
    } else if (const std::string other = translate(name, &NamePair::openai, &NamePair::hugging_face); !other.empty()) {
      const bool transposed = name == "visual.proj" || name == "text_projection";
      check(!transposed || tensor.dim() == 2, source, ": ", own, " is ", tensor.shape(), ", expected a matrix");
      put(other, transposed ? tensor.transpose(0, 1).contiguous() : tensor, own);
    } else {
      put(own, tensor, own);
    }
  }
  if (counts > 0) out.notes.push_back(text("ignored: num_batches_tracked of ", counts, " batch norms"));
  if (!left_out.empty()) out.notes.push_back("ignored: " + left_out + ", which are no parameters");
  return out;
}

NamedTensors openai_names(const NamedTensors& hugging_face) {
  NamedTensors out;
  std::map<std::string, std::array<Tensor, 3>> fused;
  for (const auto& [name, tensor] : hugging_face) {
    if (is_resnet_name(name)) {
      out.emplace(name, tensor);
      continue;
    }
    const std::string other = translate(name, &NamePair::hugging_face, &NamePair::openai);
    const bool transposed = other == "visual.proj" || other == "text_projection";
    if (!other.empty()) {
      out.emplace(other, transposed ? tensor.transpose(0, 1).contiguous() : tensor);
      continue;
    }
    check(is_hugging_face_name(name), "clip: there is no name of OpenAI's for ", name);
    // "…layers.3.self_attn.q_proj.weight"
    const size_t part = name.find("self_attn."), at = part + std::string_view("self_attn.").size();
    const size_t which = static_cast<size_t>(
        std::find(kProjections.begin(), kProjections.end(), name.substr(at, name.find('.', at) - at)) -
        kProjections.begin());
    std::string place = name.substr(0, part);
    for (const NamePair& pair : kBlockPlaces)
      if (place.starts_with(pair.hugging_face))
        place = text(pair.openai, std::string_view(place).substr(pair.hugging_face.size()));
    fused[text(place, "attn.in_proj_", name.substr(name.rfind('.') + 1))][which] = tensor;
  }
  for (const auto& [name, parts] : fused) {
    for (const Tensor& part : parts) check(part.defined(), "clip: a part of ", name, " is not there");
    out.emplace(name, ops::concatenate(parts, 0));
  }
  return out;
}

NamedTensors clip_file_views(const NamedTensors& state, const ClipConfig& config) {
  NamedTensors out;
  constexpr std::string_view kFused = "qkv.";
  for (const auto& [name, tensor] : state) {
    const size_t at = name.find("self_attn.qkv.");
    if (at != std::string::npos) {
      const size_t part = at + std::string_view("self_attn.").size();
      const int64_t rows = tensor.size(0) / 3;
      for (size_t i = 0; i < kProjections.size(); ++i)
        out.emplace(text(name.substr(0, part), kProjections[i], '.', name.substr(part + kFused.size())),
                    tensor.narrow(0, static_cast<int64_t>(i) * rows, rows));
    } else if (name == "vision_model.embeddings.class_embedding") {
      out.emplace(name, tensor.view({tensor.numel()}));
    } else if (name == "vision_model.embeddings.patch_embedding.weight") {
      out.emplace(name, tensor.view({tensor.size(0), 3, config.patch_size, config.patch_size}));
    } else {
      out.emplace(name, tensor);
    }
  }
  return out;
}

}  // namespace tessera

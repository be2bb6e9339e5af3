// The names and shapes that CLIP's tensors have in files: Hugging Face's (CLIPModel), and OpenAI's, which open_clip's
// files share.
//
//   Hugging Face                                                 OpenAI
//   vision_model.embeddings.class_embedding                      visual.class_embedding
//   vision_model.embeddings.patch_embedding.weight               visual.conv1.weight
//   vision_model.embeddings.position_embedding.weight            visual.positional_embedding
//   vision_model.pre_layrnorm.*, post_layernorm.*                visual.ln_pre.*, ln_post.*
//   visual_projection.weight [e, d]                              visual.proj [d, e]
//   text_model.embeddings.{token,position}_embedding.weight      token_embedding.weight, positional_embedding
//   text_model.final_layer_norm.*                                ln_final.*
//   text_projection.weight [e, d]                                text_projection [d, e]
//   logit_scale                                                  logit_scale
//   {vision_model,text_model}.encoder.layers.N.                  {visual.,}transformer.resblocks.N.
//     self_attn.{q,k,v}_proj.{weight,bias}                         attn.in_proj_{weight,bias}, in this order
//     self_attn.out_proj.*, layer_norm1.*, layer_norm2.*           attn.out_proj.*, ln_1.*, ln_2.*
//     mlp.fc1.*, mlp.fc2.*                                         mlp.c_fc.*, mlp.c_proj.*
//
// Models with a residual network for pictures have OpenAI's names alone: visual.{conv,bn}{1,2,3}.*, visual.layerN.*,
// visual.attnpool.*, which stay as they are; num_batches_tracked, which only other momenta need, is left out.
//
// open_clip's class with a text tower of its own writes "text." before that tower's names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/safetensors.h"
#include "models/clip/config.h"

namespace tessera {

// Whether a tensor of a file of CLIP's may have this name, in either naming.
bool is_clip_name(std::string_view name);

struct ClipState {
  NamedTensors tensors;            // by Hugging Face's names, with its shapes
  std::vector<std::string> notes;  // what was left out, a line each
};

// A file's tensors under Hugging Face's names. What is no parameter (position_ids, OpenAI's three whole numbers) is
// left out, and noted. Two tensors that stand for one parameter are an error, which `source` begins; names of neither
// naming stay as they are.
ClipState clip_names(const NamedTensors& file, const std::string& source);

// Whether these are of a model whose picture tower is a residual network.
bool has_resnet(const NamedTensors& tensors);

// The same parameters under OpenAI's names.
NamedTensors openai_names(const NamedTensors& hugging_face);

// Views of the parameters in memory (values, gradients or moments) under Hugging Face's names and shapes. Writing into
// them writes into the originals.
NamedTensors clip_file_views(const NamedTensors& state, const ClipConfig& config);

}  // namespace tessera

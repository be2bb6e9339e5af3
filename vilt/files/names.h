// The names that ViLT's tensors have in files: Hugging Face's, the authors' (github.com/dandelin/ViLT), and ours.
//
//   Hugging Face                                             the authors
//   vilt.embeddings.text_embeddings.*                        text_embeddings.*
//   vilt.embeddings.token_type_embeddings.weight             token_type_embeddings.weight
//   vilt.embeddings.cls_token                                transformer.cls_token
//   vilt.embeddings.position_embeddings                      transformer.pos_embed
//   vilt.embeddings.patch_embeddings.projection.*            transformer.patch_embed.proj.*
//   vilt.encoder.layer.N.layernorm_before.*, …_after.*       transformer.blocks.N.norm1.*, norm2.*
//   vilt.encoder.layer.N.attention.attention.{query,key,value}.*   transformer.blocks.N.attn.qkv.* (in this order)
//   vilt.encoder.layer.N.attention.output.dense.*            transformer.blocks.N.attn.proj.*
//   vilt.encoder.layer.N.intermediate.dense.*, output.dense.*  transformer.blocks.N.mlp.fc1.*, mlp.fc2.*
//   vilt.layernorm.*, vilt.pooler.dense.*                    transformer.norm.*, pooler.dense.*
//   mlm_score.decoder.bias (newer), mlm_score.bias (older)   mlm_score.bias
//   classifier.{0,1,3}.*                                     vqa_classifier.*, nlvr2_classifier.*
//   –                                                        itm_score.fc.*, mpp_score.*, transformer.mask_token
//
// Files of the bare ViltModel leave "vilt." out. Our own files are Hugging Face's with mlm_score.bias, and with the
// heads that it does not have.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vilt/files/state_dict.h"

namespace tessera {

enum class Naming : uint8_t { hugging_face, authors, other };
const char* name_of(Naming naming);  // "Hugging Face's names", …

// Whether a tensor of a file of ViLT's, of the authors or of Hugging Face, may have this name.
bool is_vilt_name(std::string_view name);

struct NamedState {
  StateDict tensors;                     // by our files' names
  Naming naming = Naming::hugging_face;  // that was found
  bool pair_classifier = false;          // the file said that the classifier is one of pairs (nlvr2_classifier)
  std::vector<std::string> notes;        // what was left out or assumed, a line each
};

// Gives a file's tensors our files' names. Queries, keys and values may be fused or apart. Buffers that are no
// parameters (position_ids) are left out, and noted. Two tensors that stand for the same parameter are an error, unless
// they are the two names of the masked-word bias and equal. `source` begins messages.
NamedState our_names(const StateDict& file, const std::string& source);

// The same parameters under the authors' names, queries, keys and values fused. The inverse of our_names.
StateDict authors_names(const StateDict& ours, const ModelConfig& config);

// The same parameters under the names that a class of transformers 5 gives them.
StateDict hugging_face_names(const StateDict& ours, const std::string& architecture);

}  // namespace tessera

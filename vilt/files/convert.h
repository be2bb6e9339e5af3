// Writes models in the forms that others read.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "vilt/files/load_model.h"

namespace tessera {

// The class of Hugging Face that a model becomes: of its first head in the order classifier, rank, masked words;
// without these the bare ViltModel. Heads that the class has no place for are written apart (extra_heads.safetensors).
std::string hugging_face_class(const ModelConfig& config);

// config.json for transformers. It knows one LayerNorm eps; where the model's differ, that of the text embedding is
// written as layer_norm_eps and all are added under our names, which transformers ignores and ModelConfig reads.
std::string hugging_face_config(const ModelConfig& config, DType dtype);

struct ConvertOptions {
  DType dtype = DType::f32;  // or bf16
  bool replace = false;      // an existing folder, if it holds nothing that a converted one does not
};

// Writes a directory that transformers opens: config.json, model.safetensors, preprocessor_config.json and, where the
// model has a vocabulary, vocab.txt and tokenizer_config.json. Written beside and renamed. Returns remarks for the
// user.
std::vector<std::string> write_hugging_face(const LoadedModel& model, const std::filesystem::path& directory,
                                            const ConvertOptions& options = {});

// Writes one safetensors file under the authors' names, queries, keys and values fused.
void write_authors(const LoadedModel& model, const std::filesystem::path& file, DType dtype = DType::f32);

}  // namespace tessera

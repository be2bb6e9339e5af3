// Writes a CLIP model in the forms that others read.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/clip/load.h"

namespace tessera {

// Writes a directory that transformers opens: config.json, model.safetensors, preprocessor_config.json and, where
// `vocabulary` is a file of byte pairs, vocab.json and merges.txt. f32 or bf16. Written beside and renamed; with
// `replace` in the place of such a directory. Returns remarks for the user.
std::vector<std::string> write_hugging_face_clip(const LoadedClip& clip, const std::filesystem::path& vocabulary,
                                                 const std::filesystem::path& directory, DType dtype, bool replace);

// Writes one safetensors file under OpenAI's names, which open_clip reads.
void write_openai_clip(const LoadedClip& clip, const std::filesystem::path& file, DType dtype);

}  // namespace tessera

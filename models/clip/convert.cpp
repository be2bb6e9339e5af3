#include "models/clip/convert.h"

#include "data/text/byte_pair_files.h"
#include "io/files.h"
#include "io/new_folder.h"
#include "io/printable.h"
#include "models/clip/preparation.h"
#include "models/parts/whole_pictures.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

const char* const kClipFiles[] = {"config.json", "model.safetensors", "preprocessor_config.json", "vocab.json",
                                  "merges.txt"};

NamedTensors written_tensors(const LoadedClip& clip, DType dtype) {
  NamedTensors out;
  for (const auto& [name, view] : clip_file_views(clip.parameters->state(), clip.model->config))
    out.emplace(name, view.to(dtype).contiguous());
  return out;
}

}  // namespace

std::vector<std::string> write_hugging_face_clip(const LoadedClip& clip, const fs::path& vocabulary,
                                                 const fs::path& directory, DType dtype, bool replace) {
  check(!clip.model->config.resnet.has_value(), clip.source,
        ": the picture tower is a residual network, for which Hugging Face's CLIPModel has no place; --names authors "
        "writes it");
  NewFolder folder(directory, kClipFiles, replace);
  std::vector<std::string> remarks;
  const ClipConfig& config = clip.model->config;
  save_safetensors((folder.path() / "model.safetensors").string(), written_tensors(clip, dtype), {{"format", "pt"}});
  write_file_atomically(folder.path() / "config.json", config.to_json(), Durability::power);
  const CropPreparation& preparation = clip.preparation;
  write_file_atomically(
      folder.path() / "preprocessor_config.json",
      clip.whole_pictures ? whole_pictures_json(*clip.whole_pictures) : clip_preparation_json(preparation),
      Durability::power);
  if (!clip.whole_pictures && preparation.rule == CropRule::torchvision)
    remarks.push_back(
        "pictures were prepared as the published code does; transformers crops and treats transparency a "
        "little otherwise");
  if (vocabulary.empty())
    remarks.push_back("there is no vocabulary: give one with --vocab, or put vocab.json and merges.txt there");
  else
    write_byte_pair_json(folder.path(), BytePair::from_file(vocabulary).vocabulary());
  folder.put_in_place();
  return remarks;
}

void write_openai_clip(const LoadedClip& clip, const fs::path& file, DType dtype) {
  check(file.extension() == ".safetensors", shown(file),
        ": OpenAI's names are written into one file, NAME.safetensors");
  save_safetensors(file.string(), openai_names(written_tensors(clip, dtype)), {{"format", "pt"}});
}

}  // namespace tessera

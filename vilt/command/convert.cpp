// `vilt convert`: a model, ViLT or CLIP, from any form into Hugging Face's, or into the authors' names; UNITER and
// ViLBERT into a folder of ours under the published names.
#include <iostream>

#include "io/printable.h"
#include "models/clip/convert.h"
#include "tensor/error.h"
#include "train/progress_line.h"
#include "vilt/command/on_regions.h"
#include "vilt/command/overwriting.h"
#include "vilt/command/weights_options.h"
#include "vilt/files/convert.h"

namespace tessera::command {
namespace {

int convert_clip(const ConvertArguments& arguments, DType dtype, bool to_authors) {
  check(arguments.weights.labels.empty() && arguments.weights.attention_heads == 0 && !arguments.weights.partial,
        "--labels, --attention-heads and --partial are for ViLT; ", shown(arguments.from), " is CLIP's");
  ClipLoadOptions options;
  options.config = arguments.weights.config;
  options.vocabulary = arguments.weights.vocabulary;
  options.report = [](const std::string& line) { std::cout << "  " << line << '\n'; };
  const LoadedClip clip = load_clip(arguments.from, options);
  std::vector<std::string> remarks;
  if (to_authors)
    write_openai_clip(clip, arguments.to, dtype);
  else
    remarks = write_hugging_face_clip(clip, clip.vocabulary, arguments.to, dtype, arguments.force);
  std::cout << shown(arguments.to) << ": " << (to_authors ? "OpenAI's names" : "CLIPModel") << ", "
            << clip.parameters->slots().size() << " parameters, " << arguments.dtype << '\n';
  for (const std::string& remark : remarks) std::cout << "  " << remark << '\n';
  return 0;
}

}  // namespace

int run_convert(const ConvertArguments& arguments) {
  check(arguments.dtype == "f32" || arguments.dtype == "bf16", "--dtype is '", arguments.dtype,
        "', expected f32 or bf16");
  const bool to_authors = arguments.names == "authors";
  check(to_authors || arguments.names == "huggingface", "--names is '", arguments.names,
        "', expected huggingface or authors");
  if (to_authors) check_may_write(arguments.to, arguments.force);
  const DType dtype = arguments.dtype == "bf16" ? DType::bf16 : DType::f32;
  if (is_clip(arguments.from)) {
    std::cout << shown(arguments.from) << std::endl;
    return convert_clip(arguments, dtype, to_authors);
  }
  if (const auto status = convert_on_regions(find_weights(arguments.from), arguments, dtype)) return *status;
  LoadOptions options = load_options(arguments.weights);
  options.needs_vocabulary = false;
  const ProgressLine progress;
  options.report = [&](const std::string& line) {
    progress.clear();
    std::cout << "  " << line << '\n';
  };
  std::cout << shown(arguments.from) << std::endl;
  progress.show("reading …");
  const LoadedModel model = load_model(arguments.from, options);
  progress.show(text("writing ", shown(arguments.to), " …"));
  std::vector<std::string> remarks;
  if (to_authors)
    write_authors(model, arguments.to, dtype);
  else
    remarks = write_hugging_face(model, arguments.to, {dtype, arguments.force});
  progress.clear();
  std::cout << shown(arguments.to) << ": " << (to_authors ? "the authors' names" : hugging_face_class(model.config))
            << ", " << model.parameters->slots().size() << " parameters, " << arguments.dtype << '\n';
  for (const std::string& remark : remarks) std::cout << "  " << remark << '\n';
  return 0;
}

}  // namespace tessera::command

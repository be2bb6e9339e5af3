// `vilt convert`: a model from any form into Hugging Face's, or into the authors' names.
#include <iostream>

#include "io/printable.h"
#include "tensor/error.h"
#include "train/progress_line.h"
#include "vilt/command/overwriting.h"
#include "vilt/command/weights_options.h"
#include "vilt/files/convert.h"

namespace tessera::command {

int run_convert(const ConvertArguments& arguments) {
  check(arguments.dtype == "f32" || arguments.dtype == "bf16", "--dtype is '", arguments.dtype,
        "', expected f32 or bf16");
  const bool to_authors = arguments.names == "authors";
  check(to_authors || arguments.names == "huggingface", "--names is '", arguments.names,
        "', expected huggingface or authors");
  if (to_authors) check_may_write(arguments.to, arguments.force);
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
  const DType dtype = arguments.dtype == "bf16" ? DType::bf16 : DType::f32;
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

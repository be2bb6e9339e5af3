// The parts of the command `vilt`. Each command's options are a struct, filled by main.cpp from the command line, and a
// function that returns the exit status. Errors are thrown: tessera::Error for bad input.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::command {

struct ScenesArguments {
  std::string kind, out;
  uint64_t seed = 0;
  int64_t train = -1, val = -1, test = -1, test_unseen = -1;  // -1: the kind's own number
  bool force = false;
};
int run_scenes(const ScenesArguments& arguments);

struct VocabularyArguments {
  std::string captions, split = "train", out, kind;
  int64_t size = 0;  // 0: what `kind` recommends
  bool once = false;
};
int run_vocabulary(const VocabularyArguments& arguments);

struct TrainArguments {
  std::string config;
  std::vector<std::string> overrides;  // section.key=value
  bool fresh = false;
};
int run_train(const TrainArguments& arguments);

struct ReportArguments {
  std::string run;
};
int run_report(const ReportArguments& arguments);

struct EvalArguments {
  std::string model, captions, images, annotations, split = "test", group;
  int64_t limit = 0;  // 0: all
  bool json = false;
};
int run_eval(const EvalArguments& arguments);

struct FillArguments {
  std::string model, image, text;
  int top = 5;
};
int run_fill(const FillArguments& arguments);

struct MatchArguments {
  std::string model, image;
  std::vector<std::string> captions;
};
int run_match(const MatchArguments& arguments);

struct AlignArguments {
  std::string model, image, caption, out, map = "attention";
  int64_t layer = 0;  // counted from 1; 0: the last
};
int run_align(const AlignArguments& arguments);

// How a model is found and read, for the commands that take one in any form.
struct WeightsArguments {
  std::string config, vocabulary, labels;  // files; empty: beside the weights
  int64_t attention_heads = 0;             // 0: as the files say
  bool partial = false;
};

struct ConvertArguments {
  std::string from, to, dtype = "f32", names = "huggingface";
  WeightsArguments weights;
  bool force = false;
};
int run_convert(const ConvertArguments& arguments);

struct InfoArguments {
  std::string what;  // a model's folder, a file of weights or a TOML file
  bool tensors = false;  // list them all
  WeightsArguments weights;
  std::string grid;  // ROWSxCOLUMNS; empty: the position table's
  int64_t text = 0;  // tokens; 0: as many as fit
  int64_t batch = 0;  // pairs; 0: as the settings say, or 32
};
int run_info(const InfoArguments& arguments);

struct GradcheckArguments {
  std::string op;
  uint64_t seed = 0;
  bool plant = false;
};
int run_gradcheck(const GradcheckArguments& arguments);

}  // namespace tessera::command

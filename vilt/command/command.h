// The parts of the command `vilt`. Each command's options are a struct, filled by main.cpp from the command line, and a
// function that returns the exit status. Errors are thrown: tessera::Error for bad input.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tessera::command {

struct ScenesArguments {
  std::string kind, out;
  uint64_t seed = 0;
  int64_t train = -1, val = -1, test = -1, test_unseen = -1;  // -1: the kind's own number
  bool tasks = false, force = false;
};
int run_scenes(const ScenesArguments& arguments);

struct VocabularyArguments {
  std::vector<std::string> captions;
  std::string split = "train", out, kind, captions_kind = "auto";
  int64_t size = 0;  // 0: what `kind` recommends
  int64_t max_bad_files = 100;
  bool once = false, force = false;
};
int run_vocabulary(const VocabularyArguments& arguments);

struct DataShardArguments {
  std::string captions, images, out, split = "train", prefix;  // no prefix: the split
  int64_t megabytes = 1000, samples = 10'000, max_bad_files = 0;
  bool force = false;
};
int run_data_shard(const DataShardArguments& arguments);

// Either shards or a captions file.
struct DataSourceArguments {
  std::vector<std::string> shards;
  std::string captions, images, split;  // no split: all
  int64_t threads = 0;                  // 0: as many as the machine has
};

struct DataVerifyArguments {
  DataSourceArguments source;
  std::string out;  // folder; empty: nothing is written
};
int run_data_verify(const DataVerifyArguments& arguments);

struct DataStatsArguments {
  DataSourceArguments source;
  std::string vocabulary, sheet;  // files; empty: none
  int64_t max_length = 40, pictures = 64;
  bool json = false, force = false;
};
int run_data_stats(const DataStatsArguments& arguments);

struct TrainArguments {
  std::string config;
  std::vector<std::string> overrides;  // section.key=value
  bool fresh = false;
  bool checkpoint_blocks = false, cuda_graph = false;
  std::string precision, device;  // empty: as the settings say
};
int run_train(const TrainArguments& arguments);
// As it has to be typed into a shell to train the same again.
std::string training_command(const TrainArguments& arguments);
// Of settings that name a system (system.kind).
int run_train_system(const TrainArguments& arguments);
// The page of such a run; `command` is what makes it again.
void write_system_report(const std::filesystem::path& run, const std::string& command);

struct ReportArguments {
  std::vector<std::string> runs;
  std::string output;  // of --csv, empty: standard output; of --compare, empty: comparison.html
  bool csv = false, compare = false, force = false;
};
int run_report(const ReportArguments& arguments);

// How a model is found and read, for the commands that take one in any form.
struct WeightsArguments {
  std::string config, vocabulary, labels;  // files; empty: beside the weights
  int64_t attention_heads = 0;             // 0: as the files say
  bool partial = false;
};

struct ModelArguments {
  std::string path;
  std::string precision;  // empty: f32, products as the environment says
  std::string device = "cpu";
  WeightsArguments weights;
};

struct EvalArguments {
  ModelArguments model;
  std::string captions, images, annotations, split = "test", group, captions_kind = "auto", predictions;
  int64_t limit = 0;  // 0: all
  int64_t max_bad_files = 100;
  bool json = false, force = false;
  // Of retrieval.
  std::string task, ties = "pessimistic", first_stage, scores;
  int64_t folds = 0, shortlist = 0;  // 0: none
  bool estimate = false;
};
int run_eval(const EvalArguments& arguments);

// The commands that ask a model: one query from the command line, or many from a file of JSON lines.
struct QuestionArguments {
  ModelArguments model;
  std::vector<std::string> images, texts;  // of the one query
  bool about_images = false;               // one text is held against many images (vilt rank)
  std::string jsonl;                       // empty: the one query
  int64_t top = 0;                         // 0: as many as the command shows
  int64_t batch = 32;                      // pairs of text and image that are read and run together
  bool truncate = false, respect_orientation = false, json = false, keep_going = false;
};
int run_answer(const QuestionArguments& arguments);
int run_fill(const QuestionArguments& arguments);
int run_match(const QuestionArguments& arguments);
int run_rank(const QuestionArguments& arguments);
int run_reason(const QuestionArguments& arguments);

struct AlignArguments {
  ModelArguments model;
  std::string image, caption, out, map = "attention";
  int64_t layer = 0;  // counted from 1; 0: the last
  bool respect_orientation = false, force = false;
};
int run_align(const AlignArguments& arguments);

struct ServeArguments {
  ModelArguments model;
  std::string folder;  // of pictures; empty: none
  std::string listen = "127.0.0.1";
  std::vector<std::string> names;  // that the server may be asked by
  int64_t port = 8080;             // 0: any
  int64_t batch = 32, connections = 64, rate = 10'000, timeout = 30, megabytes = 16, megapixels = 50;
  bool respect_orientation = false, quiet = false;
};
int run_serve(const ServeArguments& arguments);

// The commands that hold pictures and texts against each other by the cosine of their vectors: CLIP's.
struct VectorArguments {
  std::string model, config, vocabulary, precision, device = "cpu";
  std::string folder;               // of pictures
  std::vector<std::string> images;  // classify: files
  std::vector<std::string> texts;   // search: what is looked for
  std::string text_file, output;    // embed
  std::string index;                // search: the file that holds the pictures' vectors; empty: none
  std::string classes;              // classify: names, with commas between them, or a file with one a line
  std::vector<std::string> templates;
  int64_t top = 10, batch = 32;
  bool truncate = false, json = false, force = false;
};
int run_embed(const VectorArguments& arguments);
int run_search(const VectorArguments& arguments);
int run_classify(const VectorArguments& arguments);

// The detector: objects of pictures, and the regions that models of pictures and texts read.
struct RegionsArguments {
  std::string model, classes, device = "cpu";
  std::vector<std::string> images;  // detect: files
  std::string draw;                 // detect: PNG to write
  bool json = false;                // detect
  double least_score = 0.5;         // detect
  std::string captions, folder;     // extract: a data set, or all pictures of a folder
  std::string output;
  int64_t shard_megabytes = 0, batch = 32;
  int64_t least = -1, most = -1;  // regions of a picture; -1: the detector's rule
  double confidence = -1;
  bool half = false, go_on = false, force = false;
};
int run_regions_detect(const RegionsArguments& arguments);
int run_regions_extract(const RegionsArguments& arguments);

struct ConvertArguments {
  std::string from, to, dtype = "f32", names = "huggingface";
  WeightsArguments weights;
  bool force = false;
};
int run_convert(const ConvertArguments& arguments);

struct InfoArguments {
  std::string what;      // a model's folder, a file of weights or a TOML file
  bool tensors = false;  // list them all
  WeightsArguments weights;
  std::string grid;                // ROWSxCOLUMNS; empty: the position table's
  int64_t text = 0;                // tokens; 0: as many as fit
  int64_t batch = 0;               // pairs; 0: as the settings say, or 32
  bool memory = false;             // only what training takes
  bool checkpoint_blocks = false;  // with blocks computed again in backward
  std::string precision;           // empty: as the settings say
};
int run_info(const InfoArguments& arguments);

struct GradcheckArguments {
  std::string op;
  uint64_t seed = 0;
  bool plant = false;
  bool exhaustive = false;
  std::string device = "cpu";
};
int run_gradcheck(const GradcheckArguments& arguments);

struct ZooArguments {
  std::vector<std::string> systems;  // none: all
  std::vector<std::string> runs;     // folders, for what they have learnt
  std::vector<int64_t> batches{1, 8};
  std::vector<std::string> precisions{"highest", "bf16"};
  int64_t repeat = 3, threads = 0;  // 0: as many as the machine has
  std::string size, json, html;
  bool processor_time = false, quick = false, force = false;
  std::string typed;  // the command, for the page
};
int run_zoo(const ZooArguments& arguments);

}  // namespace tessera::command

// Options of the commands that make data and train.
#include "vilt/command/options.h"

namespace tessera::command {

void add_scenes(CLI::App& app, Action& action) {
  CLI::App* command =
      add_command(app, "scenes", "Writes the built-in data set: pictures of coloured shapes with captions",
                  "vilt scenes --kind scenes-quick --out runs/data/scenes-quick");
  auto arguments = std::make_shared<ScenesArguments>();
  command->add_option("--kind", arguments->kind, "scenes (one or two objects) or scenes-quick (one object)")
      ->required();
  command->add_option("--out", arguments->out, "Folder to write; kept if it holds the same data already")->required();
  add_count(command, "--seed", arguments->seed, "Another seed gives other scenes (default 0)");
  add_count(command, "--train", arguments->train, "Scenes for training, an even number (default 30000, quick 16000)");
  add_count(command, "--val", arguments->val, "... for validation (default 1000)");
  add_count(command, "--test", arguments->test, "... for the test (default 2000)");
  add_count(command, "--test-unseen", arguments->test_unseen,
            "... with combinations that occur nowhere else (default 1000, quick 2000)");
  command->add_flag("--tasks", arguments->tasks, "Also questions (VQAv2's layout) and statements (NLVR2's) about them");
  command->add_flag("--force", arguments->force, "Replaces a data set with other settings");
  command->callback([arguments, &action] { action = [arguments] { return run_scenes(*arguments); }; });
}

void add_vocabulary(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "vocab", "Learns a WordPiece vocabulary from the captions of a data set",
                                  "vilt vocab --captions dataset.json --size 8000 --out vocab.txt");
  auto arguments = std::make_shared<VocabularyArguments>();
  command->add_option("--captions", arguments->captions, "Captions files (docs/data.md), one or several")->required();
  command->add_option("--out", arguments->out, "File to write, one token a line")->required();
  add_count(command, "--size", arguments->size, "Number of tokens, special ones and characters included");
  command->add_option("--split", arguments->split, "Split whose captions are read (default train)");
  command->add_option("--captions-kind", arguments->captions_kind, "Layout of the captions file (default auto)");
  add_count(command, "--max-bad-files", arguments->max_bad_files, "More damaged lines are an error (default 100)");
  command->add_flag("--once", arguments->once, "Counts every word once, however often it occurs (small vocabularies)");
  command->add_option("--kind", arguments->kind, "scenes or scenes-quick: the size for this built-in data, and --once");
  command->add_flag("--force", arguments->force, "Replaces a file that holds something else");
  command->callback([arguments, &action] { action = [arguments] { return run_vocabulary(*arguments); }; });
}

void add_train(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "train", "Trains a model, or continues a run; writes its report",
                                  "vilt train configs/scenes-quick.toml train.steps=400 train.out=runs/short");
  auto arguments = std::make_shared<TrainArguments>();
  command->add_option("CONFIG", arguments->config, "Settings, TOML; see configs/ and docs/")->required();
  command->add_option("section.key=value", arguments->overrides, "Settings that replace those of the file");
  add_precision(command, arguments->precision,
                "highest: f32 (default); high: f32, products in three of bf16 where that is faster; tf32: on a "
                "GPU, products in TF32; bf16: activations in bf16, fastest where the processor multiplies bf16 "
                "(train.precision=...)");
  add_device(command, arguments->device, "cpu (default) or cuda: the first GPU (train.device=...)");
  command->add_flag("--cuda-graph", arguments->cuda_graph,
                    "With --device cuda: gives the GPU each step as one graph (train.cuda_graph=true)");
  command->add_flag("--checkpoint-blocks", arguments->checkpoint_blocks,
                    "Saves memory: blocks are computed again in backward (train.checkpoint_blocks=true)");
  command->add_flag("--fresh", arguments->fresh, "Starts over: removes what an earlier run left in train.out");
  command->callback([arguments, &action] { action = [arguments] { return run_train(*arguments); }; });
}

void add_report(CLI::App& app, Action& action) {
  CLI::App* command =
      add_command(app, "report",
                  "Writes the report of a finished run once more, a page that compares runs, or their figures as CSV",
                  "vilt report runs/scenes-quick\n"
                  "  vilt report --compare runs/seed-0 runs/seed-1 runs/wider --output wider.html\n"
                  "  vilt report --csv runs/scenes-quick --output metrics.csv");
  auto arguments = std::make_shared<ReportArguments>();
  command
      ->add_option("RUN", arguments->runs,
                   "Folder of the run (its train.out); with --csv one or more, with --compare 2 to 12")
      ->required();
  command->add_flag("--compare", arguments->compare,
                    "Writes one page instead, comparison.html: the runs' curves, final figures with the best marked, "
                    "means over seeds, and the settings that differ; finished or not, of any task");
  command->add_flag("--csv", arguments->csv,
                    "Prints metrics.jsonl as CSV instead: a row for each step, a column for each figure");
  command->add_option("--output", arguments->output, "With --csv or --compare: writes to this file");
  command->add_flag("--force", arguments->force,
                    "Replaces the file that is there; an earlier comparison is replaced without");
  command->callback([arguments, &action] { action = [arguments] { return run_report(*arguments); }; });
}

void add_eval(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "eval", "Measures a trained model on a split of a data set",
                                  "vilt eval --model runs/scenes --captions runs/data/scenes/dataset.json \\\n"
                                  "    --images runs/data/scenes/images --split val \\\n"
                                  "    --annotations runs/data/scenes/annotations.jsonl");
  auto arguments = std::make_shared<EvalArguments>();
  add_model(command, arguments->model);
  command
      ->add_option("--captions", arguments->captions,
                   "Captions file (docs/data.md); of a fine-tuned model its questions or statements")
      ->required();
  command->add_option("--images", arguments->images, "Folder of the images; of tar shards none");
  command->add_option("--annotations", arguments->annotations,
                      "annotations.jsonl: siblings, content words, boxes; without it fewer figures exist");
  command->add_option("--split", arguments->split, "Split (default test)");
  command->add_option("--captions-kind", arguments->captions_kind, "Layout of the captions file (default auto)");
  add_count(command, "--max-bad-files", arguments->max_bad_files,
            "More pictures that are missing or cannot be decoded, or damaged lines, are an error (default 100)");
  command->add_option("--group", arguments->group, "Only captions that are annotated with this group");
  add_count(command, "--limit", arguments->limit, "At most so many captions, evenly spread (default 0: all)");
  command->add_option("--predictions", arguments->predictions,
                      "Also writes what was answered, as the evaluation servers of VQA and NLVR2 take it");
  command->add_flag("--force", arguments->force, "Replaces the file of --predictions or --scores");
  command->add_flag("--json", arguments->json, "One JSON object, as in summary.json");
  command
      ->add_option("--task", arguments->task,
                   "retrieval: ranks texts and pictures, as for a model fine-tuned for it; of a pre-trained one by the "
                   "matching head's logit for \"match\"")
      ->check(CLI::IsMember({"retrieval"}));
  command
      ->add_option("--ties", arguments->ties,
                   "Retrieval: which of equal scores comes first: pessimistic (wrong ones; default), optimistic, "
                   "index, reverse, expected (the mean over all orders)")
      ->check(CLI::IsMember({"pessimistic", "optimistic", "index", "reverse", "expected"}));
  add_count(command, "--folds", arguments->folds,
            "Retrieval: besides, the mean recalls of so many parts of neighbouring pictures (COCO 1K: 5)");
  add_count(command, "--shortlist", arguments->shortlist,
            "Retrieval: scores only so many of the best texts of a picture and pictures of a text, by --first-stage");
  command->add_option(
      "--first-stage", arguments->first_stage,
      "Retrieval: a run or a folder of CLIP's or VSE++'s, which then scores all pairs by itself; or safetensors with a "
      "tensor scores, F32 [pictures, texts], in the captions file's order");
  command->add_option(
      "--scores", arguments->scores,
      "Retrieval: file that the scores are written to as they come; where it is there, goes on with it");
  command->add_flag("--estimate", arguments->estimate,
                    "Retrieval: only tells how long it will take, after a short try");
  command->callback([arguments, &action] { action = [arguments] { return run_eval(*arguments); }; });
}

}  // namespace tessera::command

// Options of the commands that ask a model.
#include "tensor/error.h"
#include "vilt/command/options.h"

namespace tessera::command {
namespace {

using Run = int (*)(const QuestionArguments&);

// What all of them take. Pictures and texts stand in `typed`, in the order of the line; `arrange` puts them in their
// places and says what is missing. `fields`: those of a line of JSON.
struct QuestionCommand {
  CLI::App* command;
  std::shared_ptr<QuestionArguments> arguments = std::make_shared<QuestionArguments>();
  std::shared_ptr<std::vector<std::string>> typed = std::make_shared<std::vector<std::string>>();

  void add(const std::string& placeholder, const std::string& description, const std::string& fields,
           const std::string& top) {
    add_model(command, arguments->model);
    command->add_option(placeholder, *typed, description)->type_name("")->expected(0, -1);
    command->add_option("--top", arguments->top, top)->check(kWholeNumber);
    command->add_option("--jsonl", arguments->jsonl,
                        "Many queries, one JSON object a line with the fields " + fields +
                            "; pictures are relative to the file. - is standard input, with pictures relative to the "
                            "working directory. Writes one JSON line for each");
    add_count(command, "--batch", arguments->batch, "Pairs of text and picture that are run together (default 32)");
    command->add_flag(
        "--keep-going", arguments->keep_going,
        "With --jsonl: a query that cannot be answered gives {\"id\", \"error\"}, and the exit status is 1; "
        "without it the first one stops everything");
    command->add_flag("--json", arguments->json, "One JSON line, as with --jsonl");
    command->add_flag("--truncate", arguments->truncate, "Cuts texts that are too long for the model");
    command->add_flag("--respect-orientation", arguments->respect_orientation,
                      "Turns pictures as their EXIF orientation says (the authors' pipeline does not)");
  }

  template <class Arrange>
  void on_parse(Action& action, Run run, Arrange arrange) const {
    command->callback([command = command, arguments = arguments, typed = typed, run, arrange, &action] {
      const std::string see = " (see vilt " + command->get_name() + " --help)";
      check(command->count("--top") == 0 || arguments->top >= 1, "--top is ", arguments->top, ", expected at least 1");
      if (command->count("--jsonl") > 0) {
        if (!typed->empty()) fail("--jsonl brings the queries; '", typed->front(), "' is one too many", see);
        check(!arguments->jsonl.empty(), "--jsonl needs the name of a file", see);
      } else {
        check(!arguments->keep_going, "--keep-going needs --jsonl", see);
        arrange(*arguments, *typed, see);
      }
      action = [arguments, run] { return run(*arguments); };
    });
  }
};

QuestionCommand question(CLI::App& app, const char* name, const char* description, const char* example) {
  return {add_command(app, name, description, example)};
}

// One picture and one text.
void image_and_text(QuestionArguments& arguments, const std::vector<std::string>& typed, const std::string& see,
                    const char* what) {
  check(!typed.empty(), "IMAGE is required, or --jsonl FILE", see);
  check(typed.size() >= 2, what, " is required", see);
  if (typed.size() > 2) fail("'", typed[2], "' is one too many; put the text in quotes", see);
  arguments.images = {typed[0]};
  arguments.texts = {typed[1]};
}

// One picture and one or more captions.
void image_and_captions(QuestionArguments& arguments, const std::vector<std::string>& typed, const std::string& see) {
  check(!typed.empty(), "IMAGE is required, or --jsonl FILE", see);
  check(typed.size() >= 2, "CAPTION is required", see);
  arguments.images = {typed[0]};
  arguments.texts.assign(typed.begin() + 1, typed.end());
}

}  // namespace

void add_answer(CLI::App& app, Action& action) {
  QuestionCommand command =
      question(app, "answer", "Answers a question about a picture (VQA)",
               "vilt answer --model vilt-b32-finetuned-vqa photo.jpg \"how many dogs are there?\"");
  command.add("IMAGE QUESTION", "JPEG, PNG, WebP or GIF, and the question in quotes", "image, text, and id if wanted",
              "Answers that are shown (default 5)");
  command.on_parse(action, run_answer, [](auto& arguments, const auto& typed, const std::string& see) {
    image_and_text(arguments, typed, see, "QUESTION");
  });
}

void add_fill(CLI::App& app, Action& action) {
  QuestionCommand command = question(app, "fill", "Fills in the hidden words of a caption, given the picture",
                                     "vilt fill --model runs/scenes-quick picture.jpg \"a [MASK] ring\"");
  command.add("IMAGE TEXT", "JPEG, PNG, WebP or GIF, and the caption with [MASK] for each hidden word piece",
              "image, text, and id if wanted", "Words for each [MASK] (default 5)");
  command.on_parse(action, run_fill, [](auto& arguments, const auto& typed, const std::string& see) {
    image_and_text(arguments, typed, see, "TEXT");
  });
}

void add_match(CLI::App& app, Action& action) {
  QuestionCommand command = question(app, "match", "Tells how probable it is that a caption belongs to a picture",
                                     "vilt match --model runs/scenes-quick picture.jpg \"a red ring\" \"a blue ring\"");
  command.add("IMAGE CAPTION", "JPEG, PNG, WebP or GIF, and one or more captions, each in quotes",
              "image, text or texts, and id if wanted", "Without effect: every caption is told");
  command.on_parse(action, run_match, image_and_captions);
}

void add_rank(CLI::App& app, Action& action) {
  QuestionCommand command = question(
      app, "rank", "Orders captions by how well they fit a picture, or pictures by how well they fit a caption",
      "vilt rank --model vilt-b32-finetuned-coco photo.jpg \"a dog on a beach\" \"two cats\"\n"
      "  vilt rank --model vilt-b32-finetuned-coco --text \"a dog on a beach\" one.jpg two.jpg three.jpg");
  command.add(
      "IMAGE CAPTION", "JPEG, PNG, WebP or GIF, and captions, each in quotes; with --text only pictures",
      "image and texts, or images and text, and id if wanted",
      "Results that are shown, best first (default: all). Scores are rank_output's, of which only differences mean "
      "something; of a checkpoint with a matching head alone (itm_score) its log-odds, above 0 for a match");
  auto caption = std::make_shared<std::string>();
  CLI::Option* text = command.command->add_option("--text", *caption, "The caption that pictures are ranked for");
  text->excludes("--jsonl");
  command.on_parse(action, run_rank, [caption, text](auto& arguments, const auto& typed, const std::string& see) {
    if (text->count() == 0) return image_and_captions(arguments, typed, see);
    check(!typed.empty(), "IMAGE is required", see);
    arguments.images = typed;
    arguments.texts = {*caption};
    arguments.about_images = true;
  });
}

void add_reason(CLI::App& app, Action& action) {
  QuestionCommand command =
      question(app, "reason", "Judges a statement about two pictures (NLVR2)",
               "vilt reason --model vilt-b32-finetuned-nlvr2 left.jpg right.jpg \"both pictures show a dog\"");
  command.add("IMAGE IMAGE STATEMENT", "Two pictures, JPEG, PNG, WebP or GIF, and the statement in quotes",
              "images, text, and id if wanted", "Labels that are shown (default: all)");
  command.on_parse(action, run_reason, [](auto& arguments, const auto& typed, const std::string& see) {
    check(!typed.empty(), "two IMAGEs and a STATEMENT are required, or --jsonl FILE", see);
    check(typed.size() >= 3, "two IMAGEs and a STATEMENT are required, only ", typed.size(), " given", see);
    arguments.images.assign(typed.begin(), typed.end() - 1);
    arguments.texts = {typed.back()};
  });
}

void add_align(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "align", "Draws where each word of a caption looks: a heat map per word, as PNG",
                                  "vilt align --model runs/scenes-quick picture.jpg \"a red ring\" --out maps");
  auto arguments = std::make_shared<AlignArguments>();
  add_model(command, arguments->model);
  command->add_option("IMAGE", arguments->image, "JPEG, PNG, WebP or GIF")->required();
  command->add_option("CAPTION", arguments->caption, "Caption, in quotes")->required();
  command->add_option("--out", arguments->out, "Folder to write to; made if absent")->required();
  command->add_option("--map", arguments->map,
                      "attention (default; mean over heads), plan (optimal transport, beta 0.1, 1,000 iterations) or "
                      "plan-training (beta 0.5, 50 iterations)");
  add_count(command, "--layer", arguments->layer, "Layer of the attention, from 1 (default: the last)");
  command->add_flag("--respect-orientation", arguments->respect_orientation,
                    "Turns the picture as its EXIF orientation says (the authors' pipeline does not)");
  command->add_flag("--force", arguments->force, "Replaces pictures that are there and differ");
  command->callback([arguments, &action] { action = [arguments] { return run_align(*arguments); }; });
}

}  // namespace tessera::command

// `vilt answer`, `vilt fill`, `vilt match`, `vilt rank` and `vilt reason`: a query from the command line, or many from
// a file.
#include <iostream>

#include "tensor/error.h"
#include "vilt/ask/asker.h"
#include "vilt/ask/query_lines.h"
#include "vilt/tasks/settings_memory.h"

namespace tessera::command {
namespace {

using Json = nlohmann::ordered_json;

// main.cpp knows the reason.
void check_written() {
  std::cout << std::flush;
  if (!std::cout.good()) throw std::runtime_error("the answers could not be written to standard output");
}

// What is no UTF-8 in a text from the command line becomes U+FFFD.
void write_line(const Json& row) { std::cout << row.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n'; }

AskerOptions asker_options(const QuestionArguments& arguments) {
  AskerOptions options;
  options.batch = static_cast<size_t>(arguments.batch);
  options.truncate = arguments.truncate;
  options.respect_orientation = arguments.respect_orientation;
  return options;
}

int ask_one(const LoadedModel& model, const AskKind& kind, const QuestionArguments& arguments) {
  AskerOptions options = asker_options(arguments);
  options.tell_losses = true;
  Asker asker(model, kind, options, [&](const Query& asked, const Answers& answers, const std::string& error) {
    check(error.empty(), error);
    if (arguments.json)
      write_line({{"id", asked.id}, {"results", kind.results(model, asked, answers)}});
    else
      kind.print(std::cout, model, asked, answers);
  });
  asker.add({0, arguments.images, arguments.texts, arguments.about_images});
  asker.finish();
  return 0;
}

// The first bad query ends everything, once those before it are answered; with --keep-going its row holds the error.
int ask_many(const LoadedModel& model, const AskKind& kind, const QuestionArguments& arguments) {
  QueryLines lines(arguments.jsonl);
  QueryProgress progress;
  int64_t finished = 0, failed = 0;
  std::deque<std::string> places;  // of the queries that are not finished
  AskerOptions options = asker_options(arguments);
  options.folder = lines.folder();
  Asker asker(model, kind, options, [&](const Query& query, const Answers& answers, const std::string& error) {
    const std::string where = places.front() + ": ";
    places.pop_front();
    ++finished;
    if (error.empty()) {
      write_line({{"id", query.id}, {"results", kind.results(model, query, answers)}});
      return;
    }
    const std::string message = error.starts_with(where) ? error : where + error;
    if (!arguments.keep_going) {
      progress.clear();
      std::cout << std::flush;
      fail(message);
    }
    ++failed;
    write_line({{"id", query.id}, {"error", message}});
  });
  while (auto line = lines.next(kind)) {
    places.push_back(line->where);
    const int64_t before = finished;
    if (line->error.empty())
      asker.add(std::move(line->query));
    else
      asker.add_failed(std::move(line->query), line->error);
    if (finished > before) {
      check_written();
      progress.show(finished, lines.share());
    }
  }
  asker.finish();
  progress.clear();
  if (asker.cut_texts() > 0)
    std::cerr << "note: " << asker.cut_texts() << (asker.cut_texts() == 1 ? " text was" : " texts were") << " cut to "
              << model.config.max_position_embeddings << " tokens\n";
  if (failed > 0) std::cerr << "vilt: " << failed << " of " << finished << " queries could not be answered\n";
  return failed > 0 ? 1 : 0;
}

int ask(const AskKind& kind, const QuestionArguments& arguments) {
  constexpr int64_t kLargestBatch = 4096;  // of pictures of some megabytes each
  check(arguments.batch >= 1 && arguments.batch <= kLargestBatch, "--batch is ", arguments.batch, ", expected 1 to ",
        kLargestBatch);
  if (arguments.model.device == "cpu") refuse_memory_that_is_not_there();
  const LoadedModel model = open_model(arguments.model);
  kind.check_model(model);
  if (const std::string remark = kind.remark(model); !remark.empty()) std::cerr << "note: " << remark << '\n';
  const int status = arguments.jsonl.empty() ? ask_one(model, kind, arguments) : ask_many(model, kind, arguments);
  check_written();
  return status;
}

}  // namespace

int run_answer(const QuestionArguments& arguments) { return ask(*answer_kind(arguments.top), arguments); }
int run_fill(const QuestionArguments& arguments) { return ask(*fill_kind(arguments.top), arguments); }
int run_match(const QuestionArguments& arguments) { return ask(*match_kind(arguments.top), arguments); }
int run_rank(const QuestionArguments& arguments) { return ask(*rank_kind(arguments.top), arguments); }
int run_reason(const QuestionArguments& arguments) { return ask(*reason_kind(arguments.top), arguments); }

}  // namespace tessera::command

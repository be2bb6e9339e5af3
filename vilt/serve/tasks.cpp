#include "vilt/serve/tasks.h"

#include <array>

#include "io/printable.h"
#include "tensor/error.h"

namespace tessera::serve {

std::span<const AskTask> ask_tasks() {
  static const std::array<AskTask, 5> kTasks = {{
      {"answer", command::answer_kind, {"image", "text", "id", "top", "truncate"}},
      {"fill", command::fill_kind, {"image", "text", "id", "top", "truncate"}},
      {"match", command::match_kind, {"image", "text", "texts", "id", "top", "truncate"}},
      {"rank", command::rank_kind, {"image", "texts", "images", "text", "id", "top", "truncate"}},
      {"reason", command::reason_kind, {"images", "text", "id", "top", "truncate"}},
  }};
  return kTasks;
}

const AskTask* ask_task(std::string_view name) {
  for (const AskTask& task : ask_tasks())
    if (task.name == name) return &task;
  return nullptr;
}

std::string why_not(const AskTask& task, const LoadedModel& model) {
  try {
    task.kind(0)->check_model(model);
  } catch (const Error& error) {
    const std::string message = error.what(), folder = shown(model.directory) + ": ";
    return message.starts_with(folder) ? message.substr(folder.size()) : message;
  }
  return {};
}

bool can_do(const AskTask& task, const LoadedModel& model) { return why_not(task, model).empty(); }

}  // namespace tessera::serve

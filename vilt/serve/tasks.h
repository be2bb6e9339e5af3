// What can be asked over HTTP: the commands that ask a model, by their names.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vilt/ask/ask_kinds.h"

namespace tessera::serve {

struct AskTask {
  const char* name;  // as the command's, and after /api/
  std::unique_ptr<command::AskKind> (*kind)(int64_t top);
  std::vector<std::string_view> fields;  // that a request may have
};
std::span<const AskTask> ask_tasks();
const AskTask* ask_task(std::string_view name);  // null if there is none

// Whether the checkpoint has the head.
bool can_do(const AskTask& task, const LoadedModel& model);
// Why not, for people; nothing of where the model lies.
std::string why_not(const AskTask& task, const LoadedModel& model);

}  // namespace tessera::serve

// Whether a training can fit into memory, before any is taken.
#pragma once

#include <cstdint>

#include "vilt/tasks/settings.h"

namespace tessera {

// What this process may have at most: the machine's memory, or less where a limit is set on it (a control group,
// ulimit). Bytes.
double memory_limit();

// From here on memory that the machine does not have is refused to this process, which ends in an error. Otherwise the
// kernel gives it and kills somebody once it is used. For work on the CPU: drivers of GPUs take address space that they
// do not use.
void refuse_memory_that_is_not_there();

// Error: more than `limit` is needed even if every caption is short and every picture small. Names what takes most, and
// the settings that lower it. On a GPU only what stays in the memory of the host counts.
void check_memory(const Settings& settings, double limit = memory_limit());
// The same of the model's parameters alone: a model that is only looked at.
void check_model_memory(const ModelConfig& config, double limit = memory_limit());

}  // namespace tessera

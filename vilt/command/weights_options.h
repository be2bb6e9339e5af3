// From what was typed to what load_model takes.
#pragma once

#include "vilt/command/command.h"
#include "vilt/files/load_model.h"

namespace tessera::command {

inline LoadOptions load_options(const WeightsArguments& arguments) {
  LoadOptions options;
  if (arguments.partial) options.strictness = Strictness::none;
  options.config = arguments.config;
  options.vocabulary = arguments.vocabulary;
  options.labels = arguments.labels;
  options.attention_heads = arguments.attention_heads;
  return options;
}

}  // namespace tessera::command

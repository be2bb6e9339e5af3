// What the commands that use a model read: its files, a picture, a text.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/images/image.h"
#include "vilt/command/command.h"
#include "vilt/files/load_model.h"

namespace tessera::command {

// What was assumed or left out is told on stderr.
LoadedModel open_model(const ModelArguments& arguments);

struct Picture {
  Image image;  // as the model sees it, before normalisation
  std::shared_ptr<const PatchedImage> patched;
  Grid grid() const { return {patched->rows, patched->columns}; }
};

Picture open_picture(const LoadedModel& model, const std::string& path, bool respect_orientation);
// The same of a file's bytes; `name` begins messages.
Picture picture_of(const LoadedModel& model, std::span<const uint8_t> bytes, const std::string& name,
                   DecodeOptions decoding);

// The beginning of a text, for a message.
std::string beginning_of(const std::string& caption);

// Words of a text with their pieces; the ids include [CLS] and [SEP].
struct Words {
  Encoding sequence;
  std::string original;
  size_t left_out = 0;  // pieces that did not fit

  // Positions in the sequence of the pieces of word `word`.
  std::vector<int64_t> pieces(int32_t word) const;
  int32_t count() const;
  std::string spelling(int32_t word) const;
};

struct TextOptions {
  bool special_tokens = false;  // "[MASK]" is the token
  bool truncate = false;        // a text that is too long is cut; otherwise it is an error
};

// A text without words is [CLS] [SEP].
Words read_text(const LoadedModel& model, const std::string& caption, const TextOptions& options = {});

// Says on stderr which words count as [UNK], and how much was cut.
void report_losses(const LoadedModel& model, const Words& words);

}  // namespace tessera::command

// Optional knowledge about the sentences of a data set: `annotations.jsonl`, one JSON object per sentence. The format
// and what each field is used for: docs/data.md. All fields but `sentid` are optional.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/files.h"

namespace tessera {

// x, y (left, top), width, height in pixels of the image file.
using Box = std::array<double, 4>;

// The box after its image of from_height x from_width pixels was resized to to_height x to_width.
Box resize_box(const Box& box, int64_t from_height, int64_t from_width, int64_t to_height, int64_t to_width);

// A word of the caption that says something about the picture.
struct ContentWord {
  int64_t begin = 0;  // byte offsets in the caption, end exclusive
  int64_t end = 0;
  std::string kind;     // e.g. "colour", "shape", "relation"
  int64_t object = -1;  // the object that it describes, an index into `objects`; -1: none
};

struct AnnotatedObject {
  Box box{};
  std::map<std::string, std::string> attributes;  // what the caption says about it, e.g. {"colour": "red"}
};

enum class AnnotationField : uint8_t { sibling, difference, content_words, objects, group };
std::string_view name(AnnotationField field);

struct Annotation {
  int64_t sentence_id = 0;
  std::optional<int64_t> sibling;         // id of the image that is this caption's hard negative
  std::optional<std::string> difference;  // in what the sibling differs: "colour", "shape", "relation", "binding", ...
  std::optional<std::vector<ContentWord>> content_words;
  std::optional<std::vector<AnnotatedObject>> objects;  // of the sentence's own image
  std::optional<std::string> group;                     // e.g. for a curriculum

  bool has(AnnotationField field) const;
  // Throws unless the field is there; `option` is what needs it, as the user wrote it.
  void require(AnnotationField field, std::string_view option) const;
};

// Whether everything that the first caption names is also in the second picture: every object of `caption` has one of
// `picture` with all its attributes. Relations are ignored, so the answer is true more often than the truth: a safe
// test for "this random picture is no wrong one". Both need `objects`.
bool caption_true_of(const Annotation& caption, const Annotation& picture);

// Calls `handle` for every line, in order. Checks everything that can be checked without the captions.
// Errors name file, line and field.
// `path` is for messages.
void read_annotations(const TextPieces& contents, const std::filesystem::path& path,
                      const std::function<void(Annotation&&)>& handle);

// Checks the word spans against the caption: inside it, not empty, at the boundaries of UTF-8 characters.
void check_spans(const Annotation& annotation, std::string_view caption, const std::filesystem::path& path);

}  // namespace tessera

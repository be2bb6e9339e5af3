// What a layout of captions files (data/sets/layouts.h) hands to Dataset: a picture at a time. Internal to data/sets/.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tessera {

class ShardSet;

struct CaptionText {
  int64_t id = -1;  // -1: the file has no numbers for captions; they are counted from 0 on
  std::string_view text;
};

// Which names of files a layout can give twice.
enum class Naming : uint8_t {
  once,    // each picture has one record
  again,   // a later record with the same name has more captions of the picture
  number,  // made of a number that no other picture has: nothing to look up
};

struct PictureRecord {
  int64_t id = -1;                             // -1: the file has no numbers for pictures; they are counted from 0 on
  std::string_view split = {};                 // empty: the record does not say (data/sets/splits.h)
  std::string_view file = {};                  // below the image folder
  std::string_view key = {};                   // the name wherever the picture was found; empty: `file`
  std::span<const CaptionText> captions = {};  // none: they come later, if at all
  Naming naming = Naming::once;
  std::optional<uint32_t> sample = {};  // in the shards that the sink was given; `file` is but a name then
};

// What a layout calls the parts of a record, for messages.
struct FieldNames {
  const char* picture = "number";
  const char* split = "split";
  const char* file = "image";
  const char* caption_id = "number";
  const char* caption = "caption";
  const char* caption_place = nullptr;  // ", sentence ": before a caption's index; null: records hold one
};

// Texts need to live during the call alone. Errors begin with `where`, and after one the record has left no trace.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void picture(const PictureRecord& record, const std::string& where) = 0;
  // One more caption of a picture that has been named, by its number in the file.
  virtual void caption_of(int64_t picture, const CaptionText& caption, const std::string& where) = 0;
  // Of a list, whose lines stand alone: a damaged one is left out, and too many are an error at the end.
  virtual void leave_out(const std::string& reason) = 0;
  // The shards in which pictures are that have a sample.
  virtual void shards(std::shared_ptr<const ShardSet> shards) = 0;
  // Something that published files have and no training misses, as a region without words.
  virtual void pass_over(const char* what) = 0;
};

// `picture`, where an error is of that record alone.
void picture_or_left_out(RecordSink& sink, const PictureRecord& record, const std::string& where);

// An untrusted file's name of what lies below the image folder: it is there, and does not leave it.
void check_picture_name(std::string_view name, const char* field, const std::string& where);
// Whether the name's parts are as they are when a path is written in its shortest form.
bool is_normal_name(std::string_view name);
// Whether nothing is left of the text for a tokenizer: white space and control characters, also those beyond ASCII.
bool is_blank(std::string_view text);

}  // namespace tessera

// The layouts of captions files that Dataset reads. Internal to data/sets/.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "data/sets/first_record.h"
#include "data/sets/records.h"
#include "io/files.h"

namespace tessera {

struct CaptionsFile {
  std::filesystem::path path;    // of a file, or of the folder of a layout that is one
  std::filesystem::path images;  // the folder below which the pictures lie
  TextPieces contents;           // none of a folder
  std::string where;             // messages begin with it
};

// What a layout is recognised by.
struct FileBeginning {
  std::filesystem::path path;
  std::string_view text;  // the first part of the file, without a byte order mark; none of a folder
  bool folder = false;
  bool is_json = false;  // begins as an object or an array
  FirstRecord json;
};

struct CaptionLayout {
  const char* kind;   // the setting data.kind
  const char* words;  // for people
  FieldNames names;
  bool (*recognises)(const FileBeginning& beginning);
  // Gives `sink` every picture. Checks the form alone: what records say, Dataset checks. One record's text is in memory
  // at a time.
  void (*read)(const CaptionsFile& file, RecordSink& sink);
};

std::span<const CaptionLayout> caption_layouts();

// The layout with this name, or with "auto" the one whose beginning the file has; `file` can be read from its beginning
// all the same. A file that none recognises is an error which says what it is instead, if that is known.
const CaptionLayout& find_layout(CaptionsFile& file, const std::string& kind);

}  // namespace tessera

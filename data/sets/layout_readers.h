// The rows of the table of layouts (data/sets/layouts.cpp): what each is recognised by, and how it is read. Internal to
// data/sets/.
#pragma once

#include "data/sets/layouts.h"

namespace tessera {

// {"images": [{"imgid", "split", "filename", "filepath", "sentences": [{"sentid", "raw"}]}]}
bool is_karpathy(const FileBeginning& beginning);
void read_karpathy(const CaptionsFile& file, RecordSink& sink);

// {"images": [{"id", "file_name"}], "annotations": [{"id", "image_id", "caption"}]}, the arrays in any order
bool is_coco_captions(const FileBeginning& beginning);
void read_coco_captions(const CaptionsFile& file, RecordSink& sink);

// [{"id", "regions": [{"phrase"}]}]
bool is_visual_genome(const FileBeginning& beginning);
void read_visual_genome(const CaptionsFile& file, RecordSink& sink);

// A line for each picture, which is numbered by it: caption, tab, address, or the other way round
bool is_web_table(const FileBeginning& beginning);
void read_web_table(const CaptionsFile& file, RecordSink& sink);

// SBU: a caption on each line, its address on the same line of a file beside; or {"image_urls": [], "captions": []}
bool is_sbu(const FileBeginning& beginning);
void read_sbu(const CaptionsFile& file, RecordSink& sink);

// FILE#NUMBER, tab, caption
bool is_flickr_captions(const FileBeginning& beginning);
void read_flickr_captions(const CaptionsFile& file, RecordSink& sink);

// [["images_train/0000/0000000", caption], ...]
bool is_pairs(const FileBeginning& beginning);
void read_pairs(const CaptionsFile& file, RecordSink& sink);

// [{"image", "caption", "split"}, ...], and an object of this kind on each line
bool is_record_list(const FileBeginning& beginning);
void read_record_list(const CaptionsFile& file, RecordSink& sink);
bool is_json_lines(const FileBeginning& beginning);
void read_json_lines(const CaptionsFile& file, RecordSink& sink);

// CSV, TSV and the like with a header that names columns for picture and caption
bool is_caption_table(const FileBeginning& beginning);
void read_caption_table(const CaptionsFile& file, RecordSink& sink);

// A folder of NNNNN/NNNNNNNNN.{jpg,txt,json}
bool is_img2dataset(const FileBeginning& beginning);
void read_img2dataset(const CaptionsFile& file, RecordSink& sink);

// Tar shards (data/shards/sources.h), which tell themselves before any file of captions is opened
bool is_no_file(const FileBeginning& beginning);
void read_shards(const CaptionsFile& file, RecordSink& sink);

}  // namespace tessera

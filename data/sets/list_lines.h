// Lists in text files: a line for each picture or caption, every line by itself. Internal to data/sets/.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "data/sets/layouts.h"

namespace tessera {

// Longer lines, and quoted fields, are no list's.
inline constexpr size_t kLongestLine = size_t{1} << 20;

// Calls `handle` with every line and its number, from 1 on: without line end, carriage return and the file's byte order
// mark.
using ListLineHandler = std::function<void(int64_t number, std::string_view line)>;
void for_each_list_line(const TextPieces& contents, const std::string& where, const ListLineHandler& handle);

// "WHERE: line NUMBER"
std::string line_place(const std::string& where, int64_t number);

// Gives the record with this caption to the sink, a damaged one to be left out: what is no UTF-8 among others.
void add_list_entry(RecordSink& sink, PictureRecord record, std::string_view caption, const std::string& where);

// The name of the n-th picture, from 0 on, of a list of addresses, as the published preparation scripts give them:
// 1234567 is in the folder 1234.
std::string numbered_picture(int64_t number);

}  // namespace tessera

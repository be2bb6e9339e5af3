// Data-only interpreter of Python's pickle format, protocols 2 to 5: as much of it as torch's weight files need.
//
// A pickle is a program for a small stack machine. In Python it may import any name and call it. Here nothing is ever
// imported or called: a name stays a pair of strings (Kind::global), a call stays a record of what would have been
// called with which arguments (Kind::object), and what they mean is for the reader of the graph to say. Names that do
// not belong into a weight file at all are refused (io/pickle_globals.h).
//
// The result is a graph of values in an arena. Values that the pickle's memo shares are one node, a list may contain
// itself, and nesting may be as deep as the pickle is long: whoever walks a graph must mark the nodes visited and must
// not recurse. Memory is in proportion to the pickle's length, and the number of nodes is bounded.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

class Pickle {
 public:
  using Id = uint32_t;
  static constexpr Id kNoId = ~Id{0};
  static constexpr size_t kMaxNodes = size_t{1} << 21;
  static constexpr size_t kMaxBytes = size_t{1} << 26;

  enum class Kind : uint8_t {
    none,
    boolean,
    integer,      // of at most 64 bits
    big_integer,  // of more: text() is its bytes, two's complement, little-endian
    real,
    string,  // UTF-8 if a well-meaning program wrote it; not checked
    bytes,
    tuple,       // children: the items
    list,        // children: the items
    set,         // children: the items
    dict,        // children: key, value, key, value, ...; a later one of two equal keys counts. OrderedDicts, too
    global,      // children: module and name, strings
    object,      // what a call would have made; children: callee, arguments (keywords), then what was put into it
    persistent,  // a thing outside of the pickle (torch: a storage); child: its identification
  };

  Id root() const { return root_; }
  size_t size() const { return nodes_.size(); }  // the number of nodes; ids are below it
  Kind kind(Id id) const { return nodes_[id].kind; }

  // Each holds for nodes of its kind alone.
  bool boolean(Id id) const { return nodes_[id].integer != 0; }
  int64_t integer(Id id) const { return nodes_[id].integer; }
  double real(Id id) const { return nodes_[id].real; }
  std::string_view text(Id id) const;  // of a string, bytes or big integer

  std::span<const Id> children(Id id) const;
  // What a dict's or list's attributes were set to (a dict), else kNoId. Not among its children.
  Id attributes(Id id) const { return nodes_[id].attributes; }
  // The value under a string key of a dict; kNoId if there is none.
  Id find(Id dict, std::string_view key) const;
  // "module.name" of a global; characters that a name cannot have never occur.
  std::string global_name(Id id) const;

 private:
  friend class PickleMachine;
  friend class PickleReader;
  struct Range {
    uint32_t first, count;
  };
  struct Node {
    Kind kind;
    Id attributes = kNoId;
    union {
      int64_t integer = 0;
      double real;
      Range range;  // text: of bytes_; tuple, global, persistent: of edges_; else first is an index into lists_
    };
  };

  std::vector<uint8_t> bytes_;
  std::vector<Node> nodes_;
  std::vector<Id> edges_;
  std::deque<std::vector<Id>> lists_;
  Id root_ = 0;
};

// For messages: "integer", "list of 3", "global torch.float32", "object made by numpy.dtype" ...
std::string describe(const Pickle& pickle, Pickle::Id id);

// `name` is the file's, for messages, which also say at which byte. Bytes after the end of the pickle are an error.
Pickle parse_pickle(std::vector<uint8_t> bytes, const std::string& name = "pickle");
Pickle parse_pickle(std::span<const uint8_t> bytes, const std::string& name = "pickle");

}  // namespace tessera

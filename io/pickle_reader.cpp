// The opcodes of pickles (io/pickle.h). Each takes at least one byte and makes at most three nodes, so time and memory
// are in proportion to the pickle's length; nothing recurses.
#include <bit>

#include "io/pickle_globals.h"
#include "io/pickle_machine.h"
#include "io/printable.h"

namespace tessera {

class PickleReader : private PickleMachine {
 public:
  PickleReader(std::vector<uint8_t> bytes, const std::string& name) : PickleMachine(std::move(bytes), name) {}

  Pickle run() {
    check(size() <= Pickle::kMaxBytes, name_, ": a pickle of ", size(), " bytes, at most ", Pickle::kMaxBytes,
          " are allowed");
    none_ = add({.kind = Kind::none, .integer = 0});
    false_ = add({.kind = Kind::boolean, .integer = 0});
    true_ = add({.kind = Kind::boolean, .integer = 1});
    empty_tuple_ = add({.kind = Kind::tuple, .range = {0, 0}});
    for (;;) {
      at_ = position_;
      const uint8_t opcode = take(1)[0];
      if (opcode == '.') break;
      if (!constant(opcode) && !container(opcode) && !stack(opcode) && !call(opcode)) unknown(opcode);
    }
    require(stack_.size() == 1 && marks_.empty(), "ends with ", stack_.size(), " values on the stack, expected 1");
    require(position_ == size(), "ends with ", size() - position_, " bytes left over");
    pickle_.root_ = stack_[0];
    return std::move(pickle_);
  }

 private:
  [[noreturn]] void unknown(uint8_t opcode) const {
    const char character = static_cast<char>(opcode);
    refuse("opcode ", printable({&character, 1}), " (", int{opcode},
           ") is none that torch's weight files use (pickle protocols 2 to 5)");
  }

  bool stack(uint8_t opcode) {
    switch (opcode) {
      case 0x80: {  // PROTO
        const uint64_t version = take_unsigned(1);
        require(version <= 5, "pickle protocol ", version, ", expected 2 to 5");
        return true;
      }
      case 0x95: {  // FRAME
        const uint64_t length = take_unsigned(8);
        require(length <= size() - position_, "a frame of ", length, " bytes, ", size() - position_, " are left");
        return true;
      }
      case '(': marks_.push_back(static_cast<uint32_t>(stack_.size())); return true;
      case '0':  // POP takes a mark if that is what was pushed last
        if (!marks_.empty() && marks_.back() == stack_.size()) {
          marks_.pop_back();
        } else {
          pop();
        }
        return true;
      case '1': to_mark(); return true;    // POP_MARK
      case '2': push(top()); return true;  // DUP
      case 'q': remember(take_unsigned(1)); return true;
      case 'r': remember(take_unsigned(4)); return true;
      case 0x94: remember(memo_.size()); return true;  // MEMOIZE
      case 'h': recall(take_unsigned(1)); return true;
      case 'j': recall(take_unsigned(4)); return true;
      default: return false;
    }
  }

  // ---- numbers and texts ----

  // Two's complement, little-endian; no bytes are 0.
  void push_long(uint64_t bytes) {
    const Pickle::Range range = take_text(bytes);
    if (bytes > 8) return push(add_text(Kind::big_integer, range));
    uint64_t value = 0;
    for (uint64_t i = bytes; i-- > 0;) value = value << 8 | pickle_.bytes_[range.first + i];
    const int unused = static_cast<int>(64 - 8 * bytes);
    const int64_t wide = unused == 64 ? 0 : static_cast<int64_t>(value << unused) >> unused;
    push(add({.kind = Kind::integer, .integer = wide}));
  }

  void push_integer(int64_t value) { push(add({.kind = Kind::integer, .integer = value})); }

  void push_real() {  // the only big-endian number of the format
    const uint8_t* from = take(8);
    uint64_t bits = 0;
    for (int i = 0; i < 8; ++i) bits = bits << 8 | from[i];
    push(add({.kind = Kind::real, .real = std::bit_cast<double>(bits)}));
  }

  void push_text(Kind kind, int length_bytes) { push(add_text(kind, take_text(take_unsigned(length_bytes)))); }

  bool constant(uint8_t opcode) {
    switch (opcode) {
      case 'N': push(none_); return true;
      case 0x88: push(true_); return true;
      case 0x89: push(false_); return true;
      case 'J': push_integer(static_cast<int32_t>(take_unsigned(4))); return true;
      case 'K': push_integer(static_cast<int64_t>(take_unsigned(1))); return true;
      case 'M': push_integer(static_cast<int64_t>(take_unsigned(2))); return true;
      case 0x8a: push_long(take_unsigned(1)); return true;
      case 0x8b: push_long(take_unsigned(4)); return true;
      case 'G': push_real(); return true;
      case 'X': push_text(Kind::string, 4); return true;
      case 0x8c: push_text(Kind::string, 1); return true;
      case 0x8d: push_text(Kind::string, 8); return true;
      case 'T': push_text(Kind::string, 4); return true;  // str of Python 2
      case 'U': push_text(Kind::string, 1); return true;
      case 'B': push_text(Kind::bytes, 4); return true;
      case 'C': push_text(Kind::bytes, 1); return true;
      case 0x8e: push_text(Kind::bytes, 8); return true;
      case 0x96: push_text(Kind::bytes, 8); return true;  // BYTEARRAY8
      default: return false;
    }
  }

  // ---- containers ----

  // What may hold items: list or set alone, or an object of a class that extends one.
  void put(std::span<const Id> items, Kind kind, const char* what) {
    const Id to = top();
    if (pickle_.kind(to) != kind && pickle_.kind(to) != Kind::object) refuse(what, " ", describe(pickle_, to));
    require(kind != Kind::dict || items.size() % 2 == 0, "has a key without a value");
    grow(to, items);
  }

  void push_dict(std::span<const Id> items) {
    require(items.size() % 2 == 0, "has a key without a value");
    push(add_growing(Kind::dict, items));
  }

  bool container(uint8_t opcode) {
    switch (opcode) {
      case ')': push(empty_tuple_); return true;
      case 't': push(add_fixed(Kind::tuple, to_mark())); return true;
      case 0x85: push(add_fixed(Kind::tuple, pop_count(1))); return true;
      case 0x86: push(add_fixed(Kind::tuple, pop_count(2))); return true;
      case 0x87: push(add_fixed(Kind::tuple, pop_count(3))); return true;
      case ']': push(add_growing(Kind::list)); return true;
      case 'l': push(add_growing(Kind::list, to_mark())); return true;
      case 'a': put(pop_count(1), Kind::list, "appends to"); return true;
      case 'e': put(to_mark(), Kind::list, "appends to"); return true;
      case '}': push(add_growing(Kind::dict)); return true;
      case 'd': push_dict(to_mark()); return true;
      case 's': put(pop_count(2), Kind::dict, "sets an item of"); return true;
      case 'u': put(to_mark(), Kind::dict, "sets items of"); return true;
      case 0x8f: push(add_growing(Kind::set)); return true;
      case 0x90: put(to_mark(), Kind::set, "adds items to"); return true;
      case 0x91: push(add_growing(Kind::set, to_mark())); return true;  // FROZENSET
      default: return false;
    }
  }

  // ---- names and calls ----

  void push_global(Id module, Id name) {
    const std::string_view module_text = pickle_.text(module), name_text = pickle_.text(name);
    if (classify_global(module_text, name_text) == GlobalKind::refused)
      refuse("names ", printable(text(module_text.substr(0, kNameShown), ".", name_text.substr(0, kNameShown))),
             ", which does not belong into a weight file; nothing was run");
    const Id names[] = {module, name};
    push(add_fixed(Kind::global, names));
  }

  void push_global_lines() {
    const Id module = add_text(Kind::string, take_line());
    push_global(module, add_text(Kind::string, take_line()));
  }

  void push_stack_global() {
    const Id name = pop(), module = pop();
    if (pickle_.kind(module) != Kind::string || pickle_.kind(name) != Kind::string)
      refuse("imports by ", describe(pickle_, module), " and ", describe(pickle_, name), ", expected two strings");
    push_global(module, name);
  }

  bool is_ordered_dict(Id callee) const {
    if (pickle_.kind(callee) != Kind::global) return false;
    const auto names = pickle_.children(callee);
    return pickle_.text(names[0]) == "collections" && pickle_.text(names[1]) == "OrderedDict";
  }

  // An empty OrderedDict, which torch fills item by item, becomes a dict; anything else stays a record of the call.
  void push_call(Id callee, Id arguments, Id keywords = Pickle::kNoId) {
    if (pickle_.kind(callee) != Kind::global && pickle_.kind(callee) != Kind::object)
      refuse("calls ", describe(pickle_, callee));
    if (pickle_.kind(arguments) != Kind::tuple)
      refuse("calls ", describe(pickle_, callee), " with ", describe(pickle_, arguments), ", expected a tuple");
    if (keywords == Pickle::kNoId && is_ordered_dict(callee) && pickle_.children(arguments).empty())
      return push(add_growing(Kind::dict));
    const Id children[] = {callee, arguments, keywords};
    push(add_growing(Kind::object, {children, keywords == Pickle::kNoId ? size_t{2} : size_t{3}}));
  }

  // BUILD: sets an object's attributes.
  void build() {
    const Id attributes = pop(), to = top();
    const Kind kind = pickle_.kind(to);
    if (kind == Kind::object) return grow(to, {&attributes, 1});
    if (kind != Kind::dict && kind != Kind::list && kind != Kind::set)
      refuse("sets attributes of ", describe(pickle_, to));
    require(pickle_.attributes(to) == Pickle::kNoId, "sets attributes of one value twice");
    pickle_.nodes_[to].attributes = attributes;
  }

  bool call(uint8_t opcode) {
    switch (opcode) {
      case 'c': push_global_lines(); return true;
      case 0x93: push_stack_global(); return true;
      case 'R':
      case 0x81: {  // REDUCE, NEWOBJ
        const Id arguments = pop(), callee = pop();
        push_call(callee, arguments);
        return true;
      }
      case 0x92: {  // NEWOBJ_EX
        const Id keywords = pop(), arguments = pop(), callee = pop();
        push_call(callee, arguments, keywords);
        return true;
      }
      case 'i': {  // INST: a name and, above the mark, the arguments
        push_global_lines();
        const Id callee = pop();
        push_call(callee, add_fixed(Kind::tuple, to_mark()));
        return true;
      }
      case 'b': build(); return true;
      case 'Q': {  // BINPERSID
        const Id identification = pop();
        push(add_fixed(Kind::persistent, {&identification, 1}));
        return true;
      }
      default: return false;
    }
  }

  static constexpr size_t kNameShown = 50;

  Id none_ = 0, false_ = 0, true_ = 0, empty_tuple_ = 0;
};

Pickle parse_pickle(std::vector<uint8_t> bytes, const std::string& name) {
  return PickleReader(std::move(bytes), name).run();
}

Pickle parse_pickle(std::span<const uint8_t> bytes, const std::string& name) {
  return parse_pickle(std::vector<uint8_t>(bytes.begin(), bytes.end()), name);
}

}  // namespace tessera

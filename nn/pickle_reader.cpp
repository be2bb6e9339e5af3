// The stack machine that pickles are programs for (nn/pickle.h). Every opcode takes at least one byte and makes at most three
// nodes, so time and memory are in proportion to the pickle's length; nothing recurses.
#include <bit>
#include <cstring>

#include "nn/pickle.h"
#include "nn/pickle_globals.h"
#include "nn/printable.h"
#include "tensor/error.h"

namespace tessera {

class PickleReader {
 public:
  PickleReader(std::vector<uint8_t> bytes, const std::string& name) : name_(name) { pickle_.bytes_ = std::move(bytes); }

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
  using Id = Pickle::Id;
  using Kind = Pickle::Kind;

  size_t size() const { return pickle_.bytes_.size(); }

  template <class... Parts>
  void require(bool ok, const Parts&... parts) const {
    check(ok, name_, ": byte ", at_, ": ", parts...);
  }

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(name_, ": byte ", at_, ": ", parts...);
  }

  [[noreturn]] void unknown(uint8_t opcode) const {
    const char character = static_cast<char>(opcode);
    refuse("opcode ", printable({&character, 1}), " (", int{opcode},
           ") is none that torch's weight files use (pickle protocols 2 to 5)");
  }

  // ---- bytes ----

  const uint8_t* take(uint64_t count) {
    require(count <= size() - position_, "needs ", count, " bytes more, ", size() - position_,
            " are left; the pickle is cut short or damaged");
    const uint8_t* from = pickle_.bytes_.data() + position_;
    position_ += count;
    return from;
  }

  // Little-endian, of 1 to 8 bytes.
  uint64_t take_unsigned(int bytes) {
    const uint8_t* from = take(static_cast<uint64_t>(bytes));
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; --i) value = value << 8 | from[i];
    return value;
  }

  Pickle::Range take_text(uint64_t count) {
    const size_t first = position_;
    take(count);
    return {static_cast<uint32_t>(first), static_cast<uint32_t>(count)};
  }

  Pickle::Range take_line() {
    const size_t first = position_;
    const void* end = std::memchr(pickle_.bytes_.data() + first, '\n', size() - first);
    require(end != nullptr, "has a line without an end; the pickle is cut short or damaged");
    position_ = static_cast<size_t>(static_cast<const uint8_t*>(end) - pickle_.bytes_.data()) + 1;
    return {static_cast<uint32_t>(first), static_cast<uint32_t>(position_ - 1 - first)};
  }

  // ---- nodes ----

  Id add(const Pickle::Node& node) {
    require(pickle_.nodes_.size() < Pickle::kMaxNodes, "holds more than ", Pickle::kMaxNodes, " values");
    pickle_.nodes_.push_back(node);
    return static_cast<Id>(pickle_.nodes_.size() - 1);
  }
  Id add_text(Kind kind, Pickle::Range range) { return add({.kind = kind, .range = range}); }

  // Of a kind whose children never change.
  Id add_fixed(Kind kind, std::span<const Id> children) {
    const auto first = static_cast<uint32_t>(pickle_.edges_.size());
    pickle_.edges_.insert(pickle_.edges_.end(), children.begin(), children.end());
    return add({.kind = kind, .range = {first, static_cast<uint32_t>(children.size())}});
  }

  Id add_growing(Kind kind, std::span<const Id> children = {}) {
    const Id id = add({.kind = kind, .range = {Pickle::kNoId, 0}});
    grow(id, children);
    return id;
  }

  void grow(Id id, std::span<const Id> children) {
    if (children.empty()) return;
    Pickle::Range& range = pickle_.nodes_[id].range;
    if (range.first == Pickle::kNoId) {
      range.first = static_cast<uint32_t>(pickle_.lists_.size());
      pickle_.lists_.emplace_back();
    }
    auto& list = pickle_.lists_[range.first];
    list.insert(list.end(), children.begin(), children.end());
  }

  // ---- the stack ----

  void push(Id id) { stack_.push_back(id); }

  size_t bottom() const { return marks_.empty() ? 0 : marks_.back(); }

  Id pop() {
    require(stack_.size() > bottom(), "takes a value from an empty stack");
    const Id id = stack_.back();
    stack_.pop_back();
    return id;
  }

  Id top() const {
    require(stack_.size() > bottom(), "needs a value, but the stack is empty");
    return stack_.back();
  }

  // What lies above the last mark; valid until the next push.
  std::span<const Id> to_mark() {
    require(!marks_.empty(), "takes values up to a mark, but there is none");
    const size_t from = marks_.back();
    marks_.pop_back();
    above_.assign(stack_.begin() + static_cast<std::ptrdiff_t>(from), stack_.end());
    stack_.resize(from);
    return above_;
  }

  std::span<const Id> pop_count(size_t count) {
    require(stack_.size() - bottom() >= count, "needs ", count, " values, the stack has ", stack_.size() - bottom());
    above_.assign(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return above_;
  }

  void remember(uint64_t index) {
    // Python numbers its memo without gaps, and each number costs at least one byte.
    require(index < size(), "memo index ", index, " is larger than the pickle");
    if (index >= memo_.size()) memo_.resize(index + 1, Pickle::kNoId);
    memo_[index] = top();
  }

  void recall(uint64_t index) {
    require(index < memo_.size() && memo_[index] != Pickle::kNoId, "memo index ", index, " was never set");
    push(memo_[index]);
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
      case '(': marks_.push_back(stack_.size()); return true;
      case '0':  // POP takes a mark if that is what was pushed last
        if (!marks_.empty() && marks_.back() == stack_.size()) {
          marks_.pop_back();
        } else {
          pop();
        }
        return true;
      case '1': to_mark(); return true;       // POP_MARK
      case '2': push(top()); return true;     // DUP
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

  const std::string& name_;
  Pickle pickle_;
  size_t position_ = 0, at_ = 0;  // of the next byte; of the opcode
  std::vector<Id> stack_, above_, memo_;
  std::vector<size_t> marks_;  // heights of the stack
  Id none_ = 0, false_ = 0, true_ = 0, empty_tuple_ = 0;
};

Pickle parse_pickle(std::vector<uint8_t> bytes, const std::string& name) {
  return PickleReader(std::move(bytes), name).run();
}

Pickle parse_pickle(std::span<const uint8_t> bytes, const std::string& name) {
  return parse_pickle(std::vector<uint8_t>(bytes.begin(), bytes.end()), name);
}

}  // namespace tessera

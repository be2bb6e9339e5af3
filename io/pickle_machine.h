// The parts of the stack machine that pickles are programs for (io/pickle.h): the bytes, the values made so far, the
// stack with its marks, and the memo. pickle_reader.cpp has the opcodes.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "io/pickle.h"
#include "tensor/error.h"

namespace tessera {

class PickleMachine {
 protected:
  // `name` must outlive this object.
  PickleMachine(std::vector<uint8_t> bytes, const std::string& name) : name_(name) {
    pickle_.bytes_ = std::move(bytes);
  }

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

  const std::string& name_;
  Pickle pickle_;
  size_t position_ = 0, at_ = 0;  // of the next byte; of the opcode
  std::vector<Id> stack_, above_, memo_;
  std::vector<uint32_t> marks_;  // heights of the stack
};

}  // namespace tessera

#include "data/sets/separated_values.h"

#include "data/sets/list_lines.h"
#include "tensor/error.h"

namespace tessera {
namespace {

class ValueReader {
 public:
  ValueReader(char separator, const std::string& where, const std::function<void(const ValueRecord&)>& handle)
      : separator_(separator), where_(where), handle_(handle) {}

  void take(char c) {
    if (++size_ > kLongestLine) fail_too_long();
    if (state_ == State::quoted) {
      raw_ += c;
      if (c == '\n') ++lines_;
      if (c == '"')
        state_ = State::quote;
      else
        field_ += c;
      return;
    }
    if (c == '\n') return end_record();
    if (c == separator_) return end_field();
    if (state_ == State::quote) return after_quote(c);
    if (state_ == State::begin && c == '"') {
      state_ = State::quoted;
      raw_ = '"';
      return;
    }
    state_ = State::plain;
    field_ += c;
  }

  void finish() {
    if (state_ == State::quoted) {
      record_.damage = "a quoted field does not end";
      end_record();
    } else if (size_ > 0) {
      end_record();
    }
  }

 private:
  enum class State : uint8_t { begin, plain, quoted, quote };  // quote: after one in a quoted field

  void after_quote(char c) {
    raw_ += c;
    if (c == '"') {
      field_ += '"';
      state_ = State::quoted;
    } else if (c == '\r') {
      // of the line end; what else comes shows
    } else if (separator_ == '\t') {
      field_ = raw_;
      state_ = State::plain;
    } else {
      if (record_.damage.empty())
        record_.damage = text("text follows the closing quote of field ", record_.fields.size() + 1);
      state_ = State::plain;
    }
  }
  void end_field() {
    record_.fields.push_back(std::move(field_));
    field_.clear();
    state_ = State::begin;
  }
  void end_record() {
    if (state_ != State::quote && field_.ends_with('\r')) field_.pop_back();
    end_field();
    record_.line = line_;
    line_ += lines_ + 1;
    const bool empty = record_.fields.size() == 1 && record_.fields[0].empty() && record_.damage.empty();
    if (!empty) handle_(record_);
    record_ = {};
    size_ = 0;
    lines_ = 0;
  }
  [[noreturn]] void fail_too_long() const {
    fail(line_place(where_, line_), ": a record of more than ", kLongestLine, " bytes",
         state_ == State::quoted ? "; a quoted field in it does not end" : "");
  }

  const char separator_;
  const std::string& where_;
  const std::function<void(const ValueRecord&)>& handle_;
  State state_ = State::begin;
  ValueRecord record_;
  std::string field_, raw_;       // of a quoted field also as it stands
  int64_t line_ = 1, lines_ = 0;  // of the record's beginning; line ends in it
  size_t size_ = 0;
};

}  // namespace

void for_each_value_record(const TextPieces& contents, char separator, const std::string& where,
                           const std::function<void(const ValueRecord& record)>& handle) {
  ValueReader reader(separator, where, handle);
  bool first = true;
  for (std::string_view piece = contents(); !piece.empty(); piece = contents()) {
    if (first && piece.starts_with("\xef\xbb\xbf")) piece.remove_prefix(3);
    first = false;
    for (const char c : piece) reader.take(c);
  }
  reader.finish();
}

}  // namespace tessera

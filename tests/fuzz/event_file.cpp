#include "io/event_file.h"

#include "tests/fuzz/targets.h"

namespace tessera::fuzz {

void event_file(Bytes bytes) {
  int64_t end = 0;
  for (const EventRecord& record : read_event_records(as_text(bytes))) {
    ensure(record.begin == end && record.end >= record.begin + 16, "a record from ", record.begin, " to ", record.end,
           " after ", end);
    end = record.end;
  }
  ensure(end <= static_cast<int64_t>(bytes.size()), "records up to ", end, " of ", bytes.size(), " bytes");
}

}  // namespace tessera::fuzz

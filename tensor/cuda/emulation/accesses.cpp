#include "tensor/cuda/emulation/accesses.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "tensor/cuda/emulation/executor.h"
#include "tensor/error.h"

namespace tessera::simt {

constinit Here here;

namespace {

// What checks and reports an access may call functions of which the linker took the kernels' instrumented copy.
struct OutsideOfKernel {
  OutsideOfKernel() { here.in_kernel = false; }
  ~OutsideOfKernel() { here.in_kernel = true; }
};

struct Stamp {
  uint32_t block = 0;  // 0: none
  uint32_t epoch = 0, clock = 0;
  uint16_t thread = 0;
  bool atomic = false;
};

struct Cell {
  Stamp write, read[2];
};

struct Array {
  const char* begin = nullptr;
  size_t bytes = 0, granule = 1;
  std::string name;
  bool shared = false;
  std::vector<Cell> cells;

  bool holds(const char* p) const { return p >= begin && p < begin + bytes; }
};

struct Memory {
  std::vector<std::unique_ptr<Array>> arrays;  // ascending
  Array* last = nullptr;
  const char *arena_begin = nullptr, *arena_end = nullptr;
  std::vector<Array> shared;  // its cells outlive a launch: stamps of other blocks count as none there
  size_t shared_used = 0;

  Array* array_before(const char* p) {
    const auto above = std::upper_bound(arrays.begin(), arrays.end(), p,
                                        [](const char* at, const auto& array) { return at < array->begin; });
    return above == arrays.begin() ? nullptr : std::prev(above)->get();
  }
  Array* shared_before(const char* p) {
    Array* best = nullptr;
    for (size_t i = 0; i < shared_used; ++i)
      if (shared[i].begin <= p && (!best || best->begin < shared[i].begin)) best = &shared[i];
    return best;
  }
};
Memory memory;

struct Request {
  const char* address;
  size_t bytes;
  Access access;
  const void* pc;
};

std::string verb(Access access) {
  return access == Access::read ? "reads" : access == Access::write ? "writes" : "atomically updates";
}

std::string element_of(const Array& array, const char* p) {
  const auto at = static_cast<size_t>(p - array.begin);
  if (array.shared) return text("byte ", at, " of ", array.name);
  return text("element ", at / array.granule, " of ", array.name);
}

[[noreturn]] void wrong(const Request& request, const std::string& what) {
  const std::string line = source_line(request.pc);
  give_up(text("thread ", here.thread, line.empty() ? "" : " (" + line + ")", " ", verb(request.access), " ",
               request.bytes, " bytes: ", what));
}

[[noreturn]] void outside(const Request& request) {
  const bool in_arena = request.address >= memory.arena_begin && request.address < memory.arena_end;
  const Array* array = in_arena ? memory.shared_before(request.address) : memory.array_before(request.address);
  std::string where = in_arena ? "outside of shared memory" : "outside of all arrays";
  if (array) {
    const auto past = static_cast<int64_t>(request.address - array->begin) - static_cast<int64_t>(array->bytes);
    where += past >= 0 ? text(", ", past, " bytes past the end of ") : text(", over the end of ");
    where += array->name;
  }
  wrong(request, where);
}

bool comes_before(const Stamp& stamp, bool shared) {
  if (stamp.block < here.first_block) return true;
  if (shared && stamp.block != here.block) return true;  // each block has shared memory of its own
  if (stamp.block != here.block) return false;
  if (stamp.thread == here.thread || stamp.epoch < here.epoch) return true;
  return stamp.thread / 32 == here.thread / 32 && stamp.clock <= here.known[stamp.thread % 32];
}

[[noreturn]] void race(const Request& request, const Array& array, const char* p, const Stamp& other, const char* did) {
  const bool same_block = other.block == here.block;
  wrong(request, text("race on ", element_of(array, p), ", which thread ", other.thread,
                      same_block ? " " : " of another block ", did, same_block ? " with no barrier between" : ""));
}

void check_cell(const Request& request, const Array& array, Cell& cell, const char* p) {
  const bool atomic = request.access == Access::atomic, writes = request.access != Access::read;
  const bool written = array.shared ? cell.write.block == here.block : cell.write.block != 0;
  if (!written && request.access != Access::write) wrong(request, element_of(array, p) + ", which was never written");
  const bool both_atomic = atomic && cell.write.atomic;
  if (written && !both_atomic && !comes_before(cell.write, array.shared)) race(request, array, p, cell.write, "writes");
  const Stamp now{here.block, here.epoch, here.clock, here.thread, atomic};
  if (writes) {
    for (Stamp& read : cell.read) {
      if (!comes_before(read, array.shared)) race(request, array, p, read, "reads");
      read = {};
    }
    cell.write = now;
    return;
  }
  for (Stamp& read : cell.read)
    if (comes_before(read, array.shared)) {
      read = now;
      return;
    }
}

}  // namespace

void check_access(const void* address, size_t bytes, bool aligned, Access access, const void* pc) {
  const auto* p = static_cast<const char*>(address);
  if (p >= here.stack_begin && p < here.stack_end) return;  // a thread's own variables
  const OutsideOfKernel guard;
  const Request request{p, bytes, access, pc};
  Array* array = memory.last;
  if (!array || !array->holds(p)) {
    const bool in_arena = p >= memory.arena_begin && p < memory.arena_end;
    array = in_arena ? memory.shared_before(p) : memory.array_before(p);
    if (!array || !array->holds(p)) outside(request);
    memory.last = array;
  }
  if (static_cast<size_t>(p - array->begin) + bytes > array->bytes) outside(request);
  if (aligned && reinterpret_cast<uintptr_t>(p) % bytes != 0) wrong(request, "misaligned, at " + element_of(*array, p));
  const auto first = static_cast<size_t>(p - array->begin) / array->granule;
  const auto last = (static_cast<size_t>(p - array->begin) + bytes - 1) / array->granule;
  for (size_t i = first; i <= last; ++i)
    check_cell(request, *array, array->cells[i], array->begin + i * array->granule);
}

void add_array(void* begin, size_t bytes, size_t element, const std::string& name) {
  if (!kAccessesChecked) return;
  auto array = std::make_unique<Array>();
  array->begin = static_cast<const char*>(begin);
  array->bytes = bytes;
  array->granule = element;
  array->name = name;
  array->cells.resize((bytes + element - 1) / element);
  const auto place = std::upper_bound(memory.arrays.begin(), memory.arrays.end(), array,
                                      [](const auto& a, const auto& b) { return a->begin < b->begin; });
  memory.arrays.insert(place, std::move(array));
}

void remove_array(void* begin) {
  std::erase_if(memory.arrays, [=](const auto& array) { return array->begin == begin; });
  memory.last = nullptr;
}

void array_written_by_host(const void* begin, size_t bytes) {
  const auto* const p = static_cast<const char*>(begin);
  Array* array = memory.array_before(p);
  if (!array || bytes == 0) return;
  const auto at = static_cast<size_t>(p - array->begin);
  const size_t first = at / array->granule;
  const size_t last = std::min(array->cells.size(), (at + bytes - 1) / array->granule + 1);
  for (size_t i = first; i < last; ++i) array->cells[i] = {{1, 0, 0, 0, false}, {}};
}

void begin_shared(const char* arena, size_t bytes) {
  memory.arena_begin = arena;
  memory.arena_end = arena + bytes;
  memory.shared_used = 0;
  memory.last = nullptr;
}

void add_shared_piece(const char* begin, size_t bytes, const char* name) {
  if (!kAccessesChecked) return;
  constexpr size_t kGranule = 2;
  if (memory.shared_used == memory.shared.size()) memory.shared.emplace_back();
  Array& array = memory.shared[memory.shared_used++];
  array.begin = begin;
  array.bytes = bytes;
  array.granule = kGranule;
  array.name = name;
  array.shared = true;
  if (array.cells.size() < (bytes + kGranule - 1) / kGranule) array.cells.resize((bytes + kGranule - 1) / kGranule);
  memory.last = nullptr;  // the pieces may have moved
}

std::string source_line(const void* pc) {
  Dl_info info{};
  if (!dladdr(pc, &info) || !info.dli_fname) return "";
  const auto offset = static_cast<const char*>(pc) - static_cast<const char*>(info.dli_fbase) - 1;  // inside the call
  char command[512];
  const int length = std::snprintf(command, sizeof command, "addr2line -e '%s' 0x%zx 2>/dev/null", info.dli_fname,
                                   static_cast<size_t>(offset));
  if (length < 0 || static_cast<size_t>(length) >= sizeof command) return "";
  FILE* pipe = popen(command, "r");
  if (!pipe) return "";
  char line[512] = "";
  const bool found = std::fgets(line, sizeof line, pipe) != nullptr;
  pclose(pipe);
  std::string result = found ? line : "";
  result = result.substr(0, result.find_first_of(" \n"));
  if (const size_t folder = result.rfind("../"); folder != std::string::npos) result = result.substr(folder + 3);
  return result.find('?') == std::string::npos ? result : "";
}

}  // namespace tessera::simt

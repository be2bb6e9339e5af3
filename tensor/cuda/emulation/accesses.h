// Every access to memory that an emulated kernel makes, checked when it is made: outside of all arrays, misaligned, of
// memory never written, or racing with another thread.
//
// The compiler is the witness: kernels are compiled with -fsanitize=thread, which calls __tsan_read4 and the like
// before every access, but not linked with ThreadSanitizer: the functions it calls are those of access_hooks.cpp.
// Unlike ThreadSanitizer this knows the SIMT model (which barrier orders whom), arrays and the difference between
// blocks, and it costs little enough to run in every build.
//
// For each granule (an element of a global array, two bytes of shared memory) it keeps a stamp of the last write and of
// two reads of concurrent threads. A stamp comes before an access of another thread if it is of an earlier launch, or
// of the same block and an earlier __syncthreads, or of the same warp and known to the thread by __syncwarp (each lane
// has a vector clock of its warp). Anything else is concurrent, and a race if one of the two writes and not both are
// atomic. Two blocks of one launch are never ordered. Shuffles order no memory, as CUDA has it.
//
// Limits: blocks that hand memory on by fences and flags would be called a race; a race is missed when more than two
// threads read concurrently and the writer is ordered after the two that are remembered but not after the others;
// single bytes of shared memory written by two threads count as one granule.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace tessera::simt {

#if defined(TESSERA_SIMT_ACCESSES)
inline constexpr bool kAccessesChecked = true;
#else
inline constexpr bool kAccessesChecked =
    false;  // under a sanitizer, or by a compiler that this has not been tried with
#endif

enum class Access : uint8_t { read, write, atomic };

// The thread that runs, as far as the order of accesses goes.
struct Here {
  bool in_kernel = false;    // in its own code, not in the emulation's, and its accesses are to be checked
  uint32_t first_block = 2;  // of this launch: blocks are numbered through all launches; 1 is the host
  uint32_t block = 1;
  uint32_t epoch = 0;               // __syncthreads so far
  uint32_t clock = 0;               // of this lane
  const uint32_t* known = nullptr;  // what it knows of the clocks of its warp's lanes [32]
  uint16_t thread = 0;
  const char *stack_begin = nullptr, *stack_end = nullptr;
};
extern Here here;

// Arrays of global memory. `element` bytes make a granule. `name` is for messages.
void add_array(void* begin, size_t bytes, size_t element, const std::string& name);
void remove_array(void* begin);
// A part of one array.
void array_written_by_host(const void* begin, size_t bytes);

// Shared memory of the running launch: [arena, arena + bytes) holds nothing but the pieces added to it.
void begin_shared(const char* arena, size_t bytes);
void add_shared_piece(const char* begin, size_t bytes, const char* name);

// Ends the launch with an error if the access is wrong. `aligned`: it has to lie at a multiple of its size. `pc`: where
// in the kernel.
void check_access(const void* address, size_t bytes, bool aligned, Access access, const void* pc);

// "file:line" of an instruction, asked of addr2line; "" if that is not installed or knows nothing.
std::string source_line(const void* pc);

}  // namespace tessera::simt

// Recording in emulation: what a Graph has been given and not run yet.
#pragma once

#include <functional>

namespace tessera::cuda {

bool recording();
// While recording: `work` runs when the recording has ended; so does what is released in the meantime, after all of it.
void record_work(std::function<void()> work);
void record_release(void* memory);
// Throws "cuda: WHAT while a CUDA graph is recorded" if that is so.
void check_not_recording(const char* what);

}  // namespace tessera::cuda

// thread/<size>: a thread is started, allocates and frees one block, and ends. thread_empty does
// not allocate: what the system takes for a thread, which no allocator can save.
#include <thread>

#include "micro.h"

#ifdef _WIN32
#include <windows.h>
#endif

namespace bench {

namespace {

#ifdef _WIN32
// Without the C++ runtime's own bookkeeping, which allocates, too.
template <DWORD (*kRun)(void*)>
void RunThread(size_t size) {
    const auto run = [](void* argument) -> DWORD { return kRun(argument); };
    HANDLE thread = CreateThread(nullptr, 0, run, &size, 0, nullptr);
    if (thread == nullptr) std::abort();
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}
DWORD Allocate(void* size) {
    void* block = Malloc(*static_cast<size_t*>(size));
    Touch(block);
    Free(block);
    return 0;
}
DWORD Nothing(void*) { return 0; }

template <DWORD (*kRun)(void*)>
#else
template <void (*kRun)(void*)>
void RunThread(size_t size) {
    std::thread(kRun, &size).join();
}
void Allocate(void* size) {
    void* block = Malloc(*static_cast<size_t*>(size));
    Touch(block);
    Free(block);
}
void Nothing(void*) {}

template <void (*kRun)(void*)>
#endif
void Threads(benchmark::State& state, size_t size) {
    for (auto _ : state) RunThread<kRun>(size);
    state.SetItemsProcessed(state.iterations());
}

}  // namespace

void RegisterThreads() {
    Register("thread", 64, Threads<Allocate>);
    Register("thread_empty", 64, Threads<Nothing>);
}

}  // namespace bench

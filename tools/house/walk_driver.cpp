// One operation at a time, with every function written down that is entered meanwhile, for
// tools/walks.py:
//
//   walk_driver --list    name and description of each walk, one a line
//   walk_driver NAME      "> ADDRESS" for each function entered, "< ADDRESS" for each that returns
//
// It is linked with an allocator that was compiled with -finstrument-functions, and is not itself.
#include <strata/heap_api.h>
#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

namespace {

// Room for the longest walk many times over; one that has more than this is refused.
constexpr size_t kMostSteps = size_t{1} << 21;

struct Step {
    void* function;
    bool enters;
};

Step g_steps[kMostSteps];
size_t g_count = 0;
bool g_recording = false;
bool g_full = false;
uint64_t g_milliseconds = 1'000'000;

void Note(void* function, bool enters) noexcept {
    if (!g_recording) return;
    if (g_count == kMostSteps) {
        g_full = true;
        return;
    }
    g_steps[g_count++] = {function, enters};
}

}  // namespace

extern "C" {

void __cyg_profile_func_enter(void* function, void*) noexcept { Note(function, true); }
void __cyg_profile_func_exit(void* function, void*) noexcept { Note(function, false); }

// In the place of the C library's: time passes when a walk says so, and at no other moment.
int clock_gettime(clockid_t, timespec* now) noexcept {
    now->tv_sec = static_cast<time_t>(g_milliseconds / 1000);
    now->tv_nsec = static_cast<long>(g_milliseconds % 1000) * 1'000'000;
    return 0;
}

}  // extern "C"

namespace {

template <typename Operation>
void Record(const Operation& operation) {
    g_count = 0;
    g_recording = true;
    operation();
    g_recording = false;
}

// Does the operation again and again, and keeps the first one that takes a slow path: one that
// enters half as many functions more than the fastest before it. False when none does.
template <typename Operation>
bool RecordFirstSlow(size_t most, const Operation& operation) {
    size_t fastest = kMostSteps;
    for (size_t i = 0; i < most; ++i) {
        Record([&] { operation(i); });
        if (g_count / 3 > fastest / 2) return true;
        if (g_count < fastest) fastest = g_count;
    }
    return false;
}

HANDLE ProcessHeap() { return StrataGetProcessHeap(); }

std::vector<void*> Allocate(HANDLE heap, size_t count, size_t bytes) {
    std::vector<void*> blocks(count);
    for (void*& block : blocks) block = StrataHeapAlloc(heap, 0, bytes);
    return blocks;
}
void Free(HANDLE heap, const std::vector<void*>& blocks) {
    for (void* block : blocks) StrataHeapFree(heap, 0, block);
}
void Use(HANDLE heap, size_t count, size_t bytes) { Free(heap, Allocate(heap, count, bytes)); }

// More than two magazines of full size hold.
constexpr size_t kBurst = 600;
constexpr size_t kSmall = 48;

bool AllocWarm() {
    const HANDLE heap = ProcessHeap();
    Use(heap, 5, kSmall);
    Record([heap] { StrataHeapAlloc(heap, 0, kSmall); });
    return true;
}

bool FreeWarm() {
    const HANDLE heap = ProcessHeap();
    Use(heap, 5, kSmall);
    void* const block = StrataHeapAlloc(heap, 0, kSmall);
    Record([heap, block] { StrataHeapFree(heap, 0, block); });
    return true;
}

// Nothing was freed yet, magazines are as large as they get, and a slab has blocks.
bool AllocRefill() {
    const HANDLE heap = ProcessHeap();
    Allocate(heap, 800, kSmall);
    return RecordFirstSlow(kBurst, [heap](size_t) { StrataHeapAlloc(heap, 0, kSmall); });
}

// After a burst of allocations the bin is as large as it gets, and full of what was freed before.
bool FreeSlow() {
    const HANDLE heap = ProcessHeap();
    Use(heap, kBurst, kSmall);
    const std::vector<void*> blocks = Allocate(heap, kBurst, kSmall);
    return RecordFirstSlow(kBurst, [&](size_t i) { StrataHeapFree(heap, 0, blocks[i]); });
}

// The process's second heap: the first one's record is there again.
bool HeapCreate() {
    StrataHeapDestroy(StrataHeapCreate(0, 0, 0));
    Record([] { StrataHeapCreate(0, 0, 0); });
    return true;
}

// Of a heap that had blocks of one size, often enough to get magazines; all are freed.
bool HeapDestroy() {
    const HANDLE heap = StrataHeapCreate(0, 0, 0);
    Use(heap, 100, kSmall);
    Record([heap] { StrataHeapDestroy(heap); });
    return true;
}

// Blocks of many sizes were there and have been freed, then nothing happened for two seconds.
bool PurgeTick() {
    const HANDLE heap = ProcessHeap();
    for (size_t bytes = 16; bytes < 4000; bytes += 4) Use(heap, 2, bytes);
    Use(heap, kBurst, kSmall);
    Use(heap, 10, 100'000);
    const HANDLE other = StrataHeapCreate(0, 0, 0);
    Use(other, kBurst, kSmall);
    StrataHeapDestroy(other);
    g_milliseconds += 2000;
    Record([heap] { StrataHeapAlloc(heap, 0, 300'000); });
    return true;
}

// The block is of a class with a bin; the thread never had one of 200 bytes.
bool ReAllocMoves() {
    const HANDLE heap = ProcessHeap();
    Use(heap, 1, kSmall);
    void* const block = StrataHeapAlloc(heap, 0, kSmall);
    Record([heap, block] { StrataHeapReAlloc(heap, 0, block, 200); });
    return true;
}

struct Walk {
    const char* name;
    const char* description;
    bool (*run)();
};

constexpr Walk kWalks[] = {
    {"alloc-warm", "HeapAlloc 48, the bin has blocks", AllocWarm},
    {"free-warm", "HeapFree 48, the bin has room", FreeWarm},
    {"alloc-refill", "HeapAlloc 48, the bin is empty", AllocRefill},
    {"free-slow", "HeapFree 48, the bin is full", FreeSlow},
    {"realloc", "HeapReAlloc 48 to 200, into a new class", ReAllocMoves},
    {"heap-create", "HeapCreate", HeapCreate},
    {"heap-destroy", "HeapDestroy, of a heap that was used", HeapDestroy},
    {"purge-tick", "HeapAlloc 300,000 with a purge tick", PurgeTick},
};

int Run(const Walk& walk) {
    if (!walk.run() || g_full) {
        std::fprintf(stderr, "%s: %s\n", walk.name,
                     g_full ? "the walk is too long" : "no call was slow");
        return 1;
    }
    for (size_t i = 0; i < g_count; ++i) {
        std::printf("%c %p\n", g_steps[i].enters ? '>' : '<', g_steps[i].function);
    }
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) return 2;
    for (const Walk& walk : kWalks) {
        if (std::strcmp(arguments[1], "--list") == 0) {
            std::printf("%s\t%s\n", walk.name, walk.description);
        } else if (std::strcmp(arguments[1], walk.name) == 0) {
            return Run(walk);
        }
    }
    return std::strcmp(arguments[1], "--list") == 0 ? 0 : 2;
}

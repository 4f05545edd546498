// libstrata-count.so stands before libstrata-preload.so in LD_PRELOAD, so that every heap call of a
// Linux program comes through here on its way to Strata. It asks Strata whether each block is
// Strata's, counts, and when a process ends appends a line of JSON to the file that
// STRATA_STATS_FILE names, in the form of strata-override.dll's (docs/override.md), with two more
// figures: how many threads asked for memory, and how many bytes the C library's own allocator has
// got from the system, which is none if everything comes here.
//
// Not counted: frees of null pointers, refused requests, and the calls of a process that is killed
// or becomes another program.
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <strata/strata.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

enum Call : int {
    kMalloc,
    kCalloc,
    kRealloc,
    kReallocarray,
    kMemalign,
    kAlignedAlloc,
    kPosixMemalign,
    kValloc,
    kPvalloc,
    kFree,
    kUsableSize,
    kCalls
};
constexpr const char* kNames[kCalls] = {
    "malloc",         "calloc", "realloc", "reallocarray", "memalign",          "aligned_alloc",
    "posix_memalign", "valloc", "pvalloc", "free",         "malloc_usable_size"};

struct Counter {
    std::atomic<uint64_t> strata{0};
    std::atomic<uint64_t> foreign{0};
};
Counter g_counters[kCalls];
std::atomic<uint32_t> g_threads{0};
thread_local bool t_counted = false;

char g_file[4096];
std::atomic<bool> g_written{false};
pid_t g_process = 0;

// The definitions behind this library's. They are found at the first call of all, which comes
// before any constructor, and before there is a second thread.
struct NextFunctions {
    decltype(&::malloc) malloc = nullptr;
    decltype(&::calloc) calloc = nullptr;
    decltype(&::realloc) realloc = nullptr;
    decltype(&::reallocarray) reallocarray = nullptr;
    decltype(&::memalign) memalign = nullptr;
    decltype(&::aligned_alloc) aligned_alloc = nullptr;
    decltype(&::posix_memalign) posix_memalign = nullptr;
    decltype(&::valloc) valloc = nullptr;
    decltype(&::pvalloc) pvalloc = nullptr;
    decltype(&::free) free = nullptr;
    decltype(&::malloc_usable_size) malloc_usable_size = nullptr;
    decltype(&::_exit) _exit = nullptr;
    decltype(&::_Exit) _Exit = nullptr;
    decltype(&strata_owns) owns = nullptr;
    bool found = false;
};
NextFunctions g_next;

template <typename Function>
void Find(Function*& function, const char* name) noexcept {
    function = reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

void FindNext() noexcept {
    Find(g_next.malloc, "malloc");
    Find(g_next.calloc, "calloc");
    Find(g_next.realloc, "realloc");
    Find(g_next.reallocarray, "reallocarray");
    Find(g_next.memalign, "memalign");
    Find(g_next.aligned_alloc, "aligned_alloc");
    Find(g_next.posix_memalign, "posix_memalign");
    Find(g_next.valloc, "valloc");
    Find(g_next.pvalloc, "pvalloc");
    Find(g_next.free, "free");
    Find(g_next.malloc_usable_size, "malloc_usable_size");
    Find(g_next._exit, "_exit");
    Find(g_next._Exit, "_Exit");
    g_next.found = true;
    // Last: without Strata behind this library, this search fails, and allocates.
    Find(g_next.owns, "strata_owns");
}

const NextFunctions& Next() noexcept {
    if (!g_next.found) FindNext();
    return g_next;
}

bool IsStratas(const void* block) noexcept {
    return g_next.owns != nullptr && g_next.owns(block) != 0;
}

void Count(Call call, bool is_stratas) noexcept {
    if (call < kFree && !t_counted) {
        t_counted = true;
        g_threads.fetch_add(1, std::memory_order_relaxed);
    }
    Counter& counter = g_counters[call];
    (is_stratas ? counter.strata : counter.foreign).fetch_add(1, std::memory_order_relaxed);
}

void* Counted(Call call, void* block) noexcept {
    if (block != nullptr) Count(call, IsStratas(block));
    return block;
}

// The old block has to be Strata's and so has the new one.
template <typename Resize>
void* CountedResize(Call call, void* block, Resize resize) noexcept {
    Next();
    const bool was = block == nullptr || IsStratas(block);
    void* const result = resize();
    if (block != nullptr || result != nullptr) {
        Count(call, was && (result == nullptr || IsStratas(result)));
    }
    return result;
}

// --- The end of a process -----------------------------------------------------------------------

class Line {
public:
    template <typename... Values>
    void Put(const char* format, Values... values) noexcept {
        const int written = snprintf(text_ + length_, sizeof text_ - length_, format, values...);
        if (written > 0) length_ += static_cast<size_t>(written);
        if (length_ >= sizeof text_) length_ = sizeof text_ - 1;
    }
    void AppendTo(const char* path) const noexcept {
        const int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (file < 0) return;
        // One write: processes that end at the same time do not mix their lines.
        const ssize_t ignored = write(file, text_, length_);
        static_cast<void>(ignored);
        close(file);
    }

private:
    char text_[4096];
    size_t length_ = 0;
};

void PutCalls(Line& line, uint64_t strata, uint64_t foreign) noexcept {
    line.Put("\"strata\":%llu,\"original\":0,\"foreign\":%llu,\"ntdll\":0",
             static_cast<unsigned long long>(strata), static_cast<unsigned long long>(foreign));
}

void WriteRecord() noexcept {
    // In the child of a vfork this is the parent's memory.
    if (g_file[0] == '\0' || g_process != getpid() || g_written.exchange(true)) return;
    char path[1024];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';

    Line line;
    uint64_t strata = 0;
    uint64_t foreign = 0;
    for (const Counter& counter : g_counters) {
        strata += counter.strata.load();
        foreign += counter.foreign.load();
    }
    const struct mallinfo2 own = mallinfo2();
    line.Put(
        "{\"program\":\"%s\",\"pid\":%d,\"active\":%s,\"threads\":%u,\"libc_bytes\":%zu,\"calls\":"
        "{",
        path, static_cast<int>(g_process), g_next.owns != nullptr ? "true" : "false",
        g_threads.load(), own.arena + own.hblkhd);
    PutCalls(line, strata, foreign);
    line.Put("},\"entries\":[");
    for (int call = 0; call < kCalls; ++call) {
        line.Put("%s{\"name\":\"libc %s\",", call == 0 ? "" : ",", kNames[call]);
        PutCalls(line, g_counters[call].strata.load(), g_counters[call].foreign.load());
        line.Put("}");
    }
    line.Put("]}\n");
    line.AppendTo(g_file);
}

void StartAgainInChild() noexcept {
    for (Counter& counter : g_counters) {
        counter.strata = 0;
        counter.foreign = 0;
    }
    g_threads = 0;
    t_counted = false;
    g_written = false;
    g_process = getpid();
}

__attribute__((constructor)) void Start() {
    Next();  // a program without a single call is on Strata, too
    // A program may change its environment, and servers overwrite theirs.
    const char* const file = getenv("STRATA_STATS_FILE");
    if (file != nullptr && strlen(file) < sizeof g_file) strcpy(g_file, file);
    g_process = getpid();
    pthread_atfork(nullptr, nullptr, StartAgainInChild);
}

__attribute__((destructor)) void End() { WriteRecord(); }

}  // namespace

#define COUNT extern "C" __attribute__((visibility("default")))

COUNT void* malloc(size_t size) noexcept { return Counted(kMalloc, Next().malloc(size)); }
COUNT void* calloc(size_t count, size_t size) noexcept {
    return Counted(kCalloc, Next().calloc(count, size));
}
COUNT void* realloc(void* block, size_t size) noexcept {
    return CountedResize(kRealloc, block, [=] { return Next().realloc(block, size); });
}
COUNT void* reallocarray(void* block, size_t count, size_t size) noexcept {
    return CountedResize(kReallocarray, block,
                         [=] { return Next().reallocarray(block, count, size); });
}
COUNT void* memalign(size_t alignment, size_t size) noexcept {
    return Counted(kMemalign, Next().memalign(alignment, size));
}
COUNT void* aligned_alloc(size_t alignment, size_t size) noexcept {
    return Counted(kAlignedAlloc, Next().aligned_alloc(alignment, size));
}
COUNT int posix_memalign(void** result, size_t alignment, size_t size) noexcept {
    const int error = Next().posix_memalign(result, alignment, size);
    if (error == 0) Counted(kPosixMemalign, *result);
    return error;
}
COUNT void* valloc(size_t size) noexcept { return Counted(kValloc, Next().valloc(size)); }
COUNT void* pvalloc(size_t size) noexcept { return Counted(kPvalloc, Next().pvalloc(size)); }
COUNT void free(void* block) noexcept {
    const auto next = Next().free;
    next(Counted(kFree, block));
}
COUNT size_t malloc_usable_size(void* block) noexcept {
    const auto next = Next().malloc_usable_size;
    return next(Counted(kUsableSize, block));
}

// Children of a fork often end this way, without destructors.
COUNT void _exit(int status) {
    WriteRecord();
    Next()._exit(status);
    __builtin_unreachable();
}
COUNT void _Exit(int status) noexcept {
    WriteRecord();
    Next()._Exit(status);
    __builtin_unreachable();
}

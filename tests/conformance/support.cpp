#include "support.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <thread>

namespace conformance {

Observed::Observed(const char* text) : Observed() {
    std::snprintf(text_, sizeof text_, "%s", text);
}

Observed Say(const char* format, ...) {
    char text[240];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return Observed(text);
}

namespace {

// Bit 29 marks codes of applications.
constexpr DWORD kNoSystemSetsThis = 0x2BADBEEF;

struct ErrorCode {
    DWORD code;
    const char* name;
};
constexpr ErrorCode kErrorCodes[] = {
    {kNoSystemSetsThis, "unchanged"},
    {NO_ERROR, "NO_ERROR"},
    {ERROR_INVALID_FUNCTION, "ERROR_INVALID_FUNCTION"},
    {ERROR_ACCESS_DENIED, "ERROR_ACCESS_DENIED"},
    {ERROR_INVALID_HANDLE, "ERROR_INVALID_HANDLE"},
    {ERROR_NOT_ENOUGH_MEMORY, "ERROR_NOT_ENOUGH_MEMORY"},
    {ERROR_OUTOFMEMORY, "ERROR_OUTOFMEMORY"},
    {ERROR_BAD_LENGTH, "ERROR_BAD_LENGTH"},
    {ERROR_GEN_FAILURE, "ERROR_GEN_FAILURE"},
    {ERROR_NOT_SUPPORTED, "ERROR_NOT_SUPPORTED"},
    {ERROR_INVALID_PARAMETER, "ERROR_INVALID_PARAMETER"},
    {ERROR_CALL_NOT_IMPLEMENTED, "ERROR_CALL_NOT_IMPLEMENTED"},
    {ERROR_INSUFFICIENT_BUFFER, "ERROR_INSUFFICIENT_BUFFER"},
    {ERROR_NOT_LOCKED, "ERROR_NOT_LOCKED"},
    {ERROR_DISCARDED, "ERROR_DISCARDED"},
    {ERROR_MORE_DATA, "ERROR_MORE_DATA"},
    {ERROR_NO_MORE_ITEMS, "ERROR_NO_MORE_ITEMS"},
    {ERROR_INVALID_ADDRESS, "ERROR_INVALID_ADDRESS"},
    {ERROR_NOT_OWNER, "ERROR_NOT_OWNER"},
    {ERROR_COMMITMENT_LIMIT, "ERROR_COMMITMENT_LIMIT"},
    {ERROR_NOACCESS, "ERROR_NOACCESS"},
};

}  // namespace

void SeedError() { SetLastError(kNoSystemSetsThis); }

const char* ErrorNow() {
    const DWORD error = GetLastError();
    for (const ErrorCode& entry : kErrorCodes) {
        if (entry.code == error) return entry.name;
    }
    static thread_local char number[24];
    std::snprintf(number, sizeof number, "error %lu", static_cast<unsigned long>(error));
    return number;
}

// --- Contents ---

namespace {

unsigned char PatternAt(size_t offset, unsigned seed) {
    return static_cast<unsigned char>((offset * 7 + (offset >> 9) + seed * 31) | 1);
}

// Calls visit(offset) for the offsets of a block of `bytes` that carry the pattern, below `limit`.
template <typename Visit>
bool EachStampedOffset(size_t bytes, size_t limit, Visit visit) {
    constexpr size_t kEdge = 4096, kStride = 512;
    for (size_t i = 0; i < bytes && i < kEdge && i < limit; ++i) {
        if (!visit(i)) return false;
    }
    for (size_t i = kEdge; i < bytes && i < limit; i += kStride) {
        if (!visit(i)) return false;
    }
    for (size_t i = bytes > 64 ? bytes - 64 : 0; i < bytes && i < limit; ++i) {
        if (!visit(i)) return false;
    }
    return true;
}

}  // namespace

void Stamp(void* block, size_t bytes, unsigned seed) {
    auto* data = static_cast<unsigned char*>(block);
    EachStampedOffset(bytes, bytes, [&](size_t i) {
        data[i] = PatternAt(i, seed);
        return true;
    });
}

bool IsStamped(const void* block, size_t stamped, size_t bytes, unsigned seed) {
    auto* data = static_cast<const unsigned char*>(block);
    return EachStampedOffset(stamped, bytes,
                             [&](size_t i) { return data[i] == PatternAt(i, seed); });
}

bool IsFilled(const void* block, size_t from, size_t to, unsigned char value) {
    auto* data = static_cast<const unsigned char*>(block);
    for (; from < to && from % 8 != 0; ++from) {
        if (data[from] != value) return false;
    }
    uint64_t pattern;
    std::memset(&pattern, value, sizeof pattern);
    for (; from + 8 <= to; from += 8) {
        uint64_t word;
        std::memcpy(&word, data + from, sizeof word);
        if (word != pattern) return false;
    }
    for (; from < to; ++from) {
        if (data[from] != value) return false;
    }
    return true;
}

void SoilFreeMemory(const HeapApi& api, HANDLE heap, size_t bytes) {
    void* blocks[4];
    for (void*& block : blocks) {
        block = api.alloc(heap, 0, bytes);
        if (block != nullptr) std::memset(block, 0xCC, bytes);
    }
    for (void* block : blocks) {
        if (block != nullptr) api.free(heap, 0, block);
    }
}

// --- Exceptions ---

namespace {

// What the vectored handler needs to know of a thread inside Catch. Exceptions of heap functions
// cannot be caught by C++, and GCC has no __try: the handler sends the thread back to where the
// context was captured, as longjmp would.
struct CatchFrame {
    CONTEXT context;
    DWORD thread;
    volatile DWORD code;
    volatile unsigned count;
};
CatchFrame catch_frame;

LONG WINAPI OnException(EXCEPTION_POINTERS* pointers) {
    const DWORD code = pointers->ExceptionRecord->ExceptionCode;
    if (GetCurrentThreadId() != catch_frame.thread) return EXCEPTION_CONTINUE_SEARCH;
    if (code != static_cast<DWORD>(STATUS_NO_MEMORY) &&
        code != static_cast<DWORD>(STATUS_ACCESS_VIOLATION)) {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    if (catch_frame.count == 0) catch_frame.code = code;
    catch_frame.count = catch_frame.count + 1;
    *pointers->ContextRecord = catch_frame.context;
    return EXCEPTION_CONTINUE_EXECUTION;
}

// Apart from Catch, so that no variable that lives across the capture is changed after it.
#ifdef _MSC_VER
__declspec(noinline)
#else
__attribute__((noinline))
#endif
void CallGuarded(const std::function<void()>& body) {
    RtlCaptureContext(&catch_frame.context);
    if (catch_frame.count == 0) body();
}

}  // namespace

Raised Catch(const std::function<void()>& body) {
    catch_frame.thread = GetCurrentThreadId();
    catch_frame.code = 0;
    catch_frame.count = 0;
    void* handler = AddVectoredExceptionHandler(1, OnException);
    CallGuarded(body);
    RemoveVectoredExceptionHandler(handler);
    catch_frame.thread = 0;
    Raised raised;
    raised.code = catch_frame.code;
    raised.count = catch_frame.count;
    return raised;
}

Observed Describe(const Raised& raised) {
    if (raised.count == 0) return "no exception";
    const char* name = raised.code == static_cast<DWORD>(STATUS_NO_MEMORY)
                           ? "STATUS_NO_MEMORY"
                           : "STATUS_ACCESS_VIOLATION";
    return raised.count == 1 ? Say("%s raised once", name)
                             : Say("%s raised %u times", name, raised.count);
}

// --- Other threads ---

void InOtherThread(const std::function<void()>& body) { std::thread(body).join(); }

Waiter::Waiter(std::function<void()> body) : done_(std::make_shared<std::atomic<bool>>(false)) {
    const auto running = std::make_shared<std::atomic<bool>>(false);
    std::thread([body = std::move(body), done = done_, running] {
        running->store(true);
        body();
        done->store(true);
    }).detach();
    while (!running->load()) Sleep(0);
}

bool Waiter::HasEndedWithin(unsigned milliseconds) const {
    const ULONGLONG end = GetTickCount64() + milliseconds;
    while (!done_->load()) {
        if (GetTickCount64() >= end) return false;
        Sleep(1);
    }
    return true;
}

// --- HeapWalk ---

Walked WalkAll(const HeapApi& api, HANDLE heap) {
    constexpr size_t kMostEntries = 200000;
    Walked walked;
    // Room first: in a process whose C runtime uses the very heap, it must not change on the way.
    walked.entries.reserve(kMostEntries);
    PROCESS_HEAP_ENTRY entry = {};
    while (api.walk(heap, &entry) && walked.entries.size() < kMostEntries) {
        walked.entries.push_back(entry);
    }
    walked.error = GetLastError();
    walked.ended = walked.error == ERROR_NO_MORE_ITEMS;
    return walked;
}

const PROCESS_HEAP_ENTRY* Walked::Busy(const void* block) const {
    for (const PROCESS_HEAP_ENTRY& entry : entries) {
        if (Is(entry, kBusyFlag) && entry.lpData == block) return &entry;
    }
    return nullptr;
}

bool Walked::IsInsideRegion(const PROCESS_HEAP_ENTRY& entry) const {
    const auto* begin = static_cast<const char*>(entry.lpData);
    for (const PROCESS_HEAP_ENTRY& region : entries) {
        if (Is(region, kRegionFlag) && begin >= region.lpData &&
            begin + entry.cbData <= EndOfRegion(region)) {
            return true;
        }
    }
    return false;
}

const char* EndOfRegion(const PROCESS_HEAP_ENTRY& region) {
    const auto* end = static_cast<const char*>(region.lpData) + region.cbData;
    const auto* last = static_cast<const char*>(region.Region.lpLastBlock);
    return last > end ? last : end;
}

Observed CompareBusy(const Walked& walked, const std::vector<Block>& live) {
    if (!walked.ended) return "the walk did not reach its end";
    for (const Block& block : live) {
        const PROCESS_HEAP_ENTRY* entry = walked.Busy(block.address);
        if (entry == nullptr) return Say("no busy entry for a block of %zu bytes", block.bytes);
        if (entry->cbData != block.bytes) {
            return Say("cbData %lu for a block of %zu bytes",
                       static_cast<unsigned long>(entry->cbData), block.bytes);
        }
    }
    size_t busy = 0;
    for (const PROCESS_HEAP_ENTRY& entry : walked.entries) busy += Is(entry, kBusyFlag) ? 1 : 0;
    return busy == live.size() ? Observed("exact") : Observed("busy entries that nobody allocated");
}

// --- Filling ---

std::vector<Block> Fill(const HeapApi& api, HANDLE heap, const std::vector<size_t>& sizes) {
    // No heap that is filled here may hold as much: a heap without an end must not take all memory.
    constexpr size_t kMostBlocks = 300000, kMostBytes = 64 * kMiB;
    std::vector<Block> blocks;
    size_t total = 0;
    for (size_t i = 0; blocks.size() < kMostBlocks && total < kMostBytes; ++i) {
        const size_t bytes = sizes[i % sizes.size()];
        total += bytes;
        void* block = api.alloc(heap, 0, bytes);
        if (block == nullptr) break;
        blocks.push_back({block, bytes});
    }
    return blocks;
}

size_t TotalBytes(const std::vector<Block>& blocks) {
    size_t total = 0;
    for (const Block& block : blocks) total += block.bytes;
    return total;
}

void FreeAll(const HeapApi& api, HANDLE heap, std::vector<Block>& blocks) {
    for (const Block& block : blocks) api.free(heap, 0, block.address);
    blocks.clear();
}

}  // namespace conformance

#include "override/other_threads.h"

#include "os/memory.h"
#include "override/module_image.h"

namespace strata::override {

namespace {

constexpr LONG kNoMoreEntries =
    static_cast<LONG>(0x8000001A);  // STATUS_NO_MORE_ENTRIES, ntstatus.h
constexpr ACCESS_MASK kAccess =
    THREAD_SUSPEND_RESUME | THREAD_GET_CONTEXT | THREAD_QUERY_INFORMATION | SYNCHRONIZE;
// THREAD_BASIC_INFORMATION, of which winternl.h only has the function (NtQueryInformationThread).
constexpr ULONG kThreadBasicInformation = 0;
struct ThreadBasicInformation {
    LONG exit_status;
    void* teb;
    HANDLE process_id;
    HANDLE thread_id;
    ULONG_PTR affinity;
    LONG priority;
    LONG base_priority;
};

constexpr size_t kFirstCapacity = 512;
constexpr DWORD kPauseMs = 1;

HoldResult Failed(const char* call, uint32_t error) noexcept {
    return {HoldOutcome::kFailed, call, error};
}

}  // namespace

OtherThreads::~OtherThreads() {
    Release();
    DropTable();
}

void OtherThreads::DropTable() noexcept {
    if (threads_ != nullptr) os::FreePages(threads_, capacity_ * sizeof(Thread));
    threads_ = nullptr;
}

bool OtherThreads::Grow() noexcept {
    const size_t capacity = capacity_ == 0 ? kFirstCapacity : capacity_ * 4;
    void* const memory = os::AllocatePages(capacity * sizeof(Thread));
    if (memory == nullptr) return false;
    DropTable();
    threads_ = static_cast<Thread*>(memory);
    capacity_ = capacity;
    full_ = false;
    return true;
}

// NtGetNextThread: exported by ntdll since Windows Vista. The documented ways to list threads
// (Toolhelp, SYSTEM_PROCESS_INFORMATION) need a heap, or a buffer for the whole system.
HoldResult OtherThreads::Prepare() noexcept {
    if (query_thread_ == nullptr) {
        const ModuleImage ntdll = FindImage(L"ntdll.dll");
        next_thread_ = reinterpret_cast<NextThread>(FindExport(ntdll, "NtGetNextThread"));
        if (next_thread_ == nullptr) return Failed("NtGetNextThread", ERROR_PROC_NOT_FOUND);
        query_thread_ =
            reinterpret_cast<QueryThread>(FindExport(ntdll, "NtQueryInformationThread"));
        if (query_thread_ == nullptr) {
            return Failed("NtQueryInformationThread", ERROR_PROC_NOT_FOUND);
        }
    }
    if ((threads_ == nullptr || full_) && !Grow()) {
        return Failed("VirtualAlloc", ERROR_NOT_ENOUGH_MEMORY);
    }
    return {};
}

bool OtherThreads::Has(DWORD id) const noexcept {
    for (size_t i = 0; i < count_; ++i) {
        if (threads_[i].id == id) return true;
    }
    return false;
}

// One pass over all threads. The handle of a held thread keeps its id from being given away again.
HoldResult OtherThreads::SuspendNew(bool& found) noexcept {
    const DWORD self = GetCurrentThreadId();
    HANDLE previous = nullptr;
    HoldResult result;
    for (;;) {
        HANDLE next = nullptr;
        const LONG status = next_thread_(GetCurrentProcess(), previous, kAccess, 0, 0, &next);
        if (previous != nullptr && (count_ == 0 || threads_[count_ - 1].handle != previous)) {
            CloseHandle(previous);
        }
        if (status == kNoMoreEntries) break;
        if (status < 0) {
            result = Failed("NtGetNextThread", static_cast<uint32_t>(status));
            break;
        }
        previous = next;
        const DWORD id = GetThreadId(next);
        if (id == self || Has(id)) continue;
        // Ended, and listed for as long as somebody has a handle of it.
        if (WaitForSingleObject(next, 0) == WAIT_OBJECT_0) continue;
        full_ = count_ == capacity_;
        if (full_ || SuspendThread(next) == static_cast<DWORD>(-1)) {
            // The table is full, or the thread is just ending: in both cases, again later.
            result = Failed("SuspendThread", full_ ? ERROR_INSUFFICIENT_BUFFER : GetLastError());
            CloseHandle(next);
            break;
        }
        threads_[count_++] = {next, id};
        found = true;
    }
    return result;
}

// Until a pass finds no thread that it does not hold: one that was missed can have started another.
HoldResult OtherThreads::SuspendAll() noexcept {
    for (;;) {
        bool found = false;
        const HoldResult result = SuspendNew(found);
        if (result.outcome != HoldOutcome::kHeld || !found) return result;
    }
}

// Suspending takes effect at once or when the thread is next about to run outside the kernel;
// reading the context waits until it has (Microsoft, "GetThreadContext").
HoldResult OtherThreads::Look(const CodeRange* ranges, size_t count) noexcept {
    for (size_t i = 0; i < count_; ++i) {
        ThreadBasicInformation information = {};
        const LONG status = query_thread_(threads_[i].handle, kThreadBasicInformation, &information,
                                          sizeof information, nullptr);
        if (status < 0) return Failed("NtQueryInformationThread", static_cast<uint32_t>(status));
        // No environment block yet: it has not run an instruction, and will not while it is held.
        // It may never get a context either, when the thread that is creating it is held, too.
        if (information.teb == nullptr) continue;
        CONTEXT context;
        context.ContextFlags = CONTEXT_CONTROL;
        if (!GetThreadContext(threads_[i].handle, &context)) {
            return Failed("GetThreadContext", GetLastError());
        }
        for (size_t j = 0; j < count; ++j) {
            if (context.Rip > ranges[j].begin && context.Rip < ranges[j].end) {
                return {HoldOutcome::kInside, nullptr, 0};
            }
        }
    }
    return {};
}

HoldResult OtherThreads::Hold(const CodeRange* ranges, size_t count, uint32_t tries) noexcept {
    HoldResult result;
    for (uint32_t i = 0; i < tries; ++i) {
        // Even under the loader lock: whoever is inside needs a processor, not the lock, to get
        // out.
        if (i != 0) Sleep(kPauseMs);
        result = Prepare();
        if (result.outcome == HoldOutcome::kHeld) result = SuspendAll();
        if (result.outcome == HoldOutcome::kHeld) result = Look(ranges, count);
        if (result.outcome == HoldOutcome::kHeld) break;
        Release();
    }
    return result;
}

void OtherThreads::Release() noexcept {
    for (size_t i = count_; i-- > 0;) {
        ResumeThread(threads_[i].handle);
        CloseHandle(threads_[i].handle);
    }
    count_ = 0;
}

}  // namespace strata::override

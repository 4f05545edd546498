#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include <cstddef>

#include "os/fault.h"
#include "os/thread.h"

namespace strata::os {

namespace {

constinit FaultFilter g_filter = nullptr;
constinit FaultReporter g_reporter = nullptr;

// EXCEPTION_RECORD::ExceptionInformation[0] of an access violation (Microsoft, "EXCEPTION_RECORD").
Fault::Kind KindOf(ULONG_PTR how) noexcept {
    return how == 0 ? Fault::Kind::kRead : how == 1 ? Fault::Kind::kWrite : Fault::Kind::kExecute;
}

// Unwinds from where the fault was; the way into this handler is not on it. Only as far as the
// thread's own stack goes: a program that crashes may have any value in rsp.
void UnwindFrom(const CONTEXT& context, StackTrace& trace) noexcept {
    const DWORD64 limit = ReadTeb(offsetof(NT_TIB, StackLimit));
    const DWORD64 base = ReadTeb(offsetof(NT_TIB, StackBase));
    trace.thread = GetCurrentThreadId();
    CONTEXT frame = context;
    while (trace.depth < kStackFrames && frame.Rip != 0) {
        trace.frames[trace.depth++] = reinterpret_cast<const void*>(frame.Rip);
        if (frame.Rsp < limit || frame.Rsp > base - sizeof(DWORD64) || frame.Rsp % 8 != 0) break;
        DWORD64 image = 0;
        RUNTIME_FUNCTION* const function = RtlLookupFunctionEntry(frame.Rip, &image, nullptr);
        if (function == nullptr) {  // a leaf: it has changed nothing
            frame.Rip = *reinterpret_cast<const DWORD64*>(frame.Rsp);
            frame.Rsp += sizeof(DWORD64);
            continue;
        }
        void* data = nullptr;
        DWORD64 establisher = 0;
        RtlVirtualUnwind(UNW_FLAG_NHANDLER, image, frame.Rip, function, &frame, &data, &establisher,
                         nullptr);
    }
}

LONG CALLBACK OnException(EXCEPTION_POINTERS* pointers) {
    const EXCEPTION_RECORD& record = *pointers->ExceptionRecord;
    if (record.ExceptionCode != EXCEPTION_ACCESS_VIOLATION || record.NumberParameters < 2) {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    const DWORD error = GetLastError();
    const void* const address = reinterpret_cast<const void*>(record.ExceptionInformation[1]);
    if (g_filter(address)) {
        Fault fault;
        fault.kind = KindOf(record.ExceptionInformation[0]);
        fault.address = address;
        fault.code = record.ExceptionAddress;
        UnwindFrom(*pointers->ContextRecord, fault.stack);
        g_reporter(fault);
    }
    SetLastError(error);
    return EXCEPTION_CONTINUE_SEARCH;
}

}  // namespace

bool WatchFaults(FaultFilter filter, FaultReporter reporter) noexcept {
    g_filter = filter;
    g_reporter = reporter;
    const DWORD error = GetLastError();
    const bool watched = AddVectoredExceptionHandler(1, &OnException) != nullptr;
    SetLastError(error);
    return watched;
}

}  // namespace strata::os

#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

#include "base/compiler.h"
#include "os/stack.h"

namespace strata::os {

namespace {

struct Walk {
    StackTrace* trace;
    uint32_t skip;
};

_Unwind_Reason_Code AddFrame(_Unwind_Context* context, void* argument) {
    Walk& walk = *static_cast<Walk*>(argument);
    if (walk.skip > 0) {
        --walk.skip;
        return _URC_NO_REASON;
    }
    const uintptr_t address = _Unwind_GetIP(context);
    if (address == 0 || walk.trace->depth == kStackFrames) return _URC_END_OF_STACK;
    walk.trace->frames[walk.trace->depth++] = reinterpret_cast<const void*>(address);
    return _URC_NO_REASON;
}

}  // namespace

uint32_t CurrentThreadId() noexcept { return static_cast<uint32_t>(syscall(SYS_gettid)); }

bool IsOwnCode(const void*) noexcept { return false; }

STRATA_NOINLINE void CaptureStack(StackTrace& trace) noexcept {
    trace.thread = CurrentThreadId();
    trace.depth = 0;
    Walk walk = {&trace, 1};
    _Unwind_Backtrace(&AddFrame, &walk);
}

// dladdr waits for a lock of the dynamic linker's: in this build, which is for tests, that is
// accepted.
void PutCodeAddress(TextSink& text, const void* address) noexcept {
    Dl_info info = {};
    if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) {
        text.PutAddress(address);
        return;
    }
    const char* name = info.dli_fname;
    for (const char* at = name; *at != 0; ++at) {
        if (*at == '/') name = at + 1;
    }
    const auto offset = [&](const void* base) {
        return reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(base);
    };
    text.Put(name).Put("+").PutHex(offset(info.dli_fbase));
    if (info.dli_sname != nullptr) {
        text.Put(" (").Put(info.dli_sname).Put("+").PutHex(offset(info.dli_saddr)).Put(")");
    }
}

}  // namespace strata::os

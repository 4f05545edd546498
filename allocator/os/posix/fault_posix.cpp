#include <cerrno>
#include <csignal>
#include <ucontext.h>

#include "os/fault.h"

namespace strata::os {

namespace {

FaultFilter g_filter = nullptr;
FaultReporter g_reporter = nullptr;
struct sigaction g_former = {};

// The page-fault error code (Intel SDM, vol. 3, "Page-Fault Exceptions"): bit 1 a write, bit 4 a
// fetch.
Fault::Kind KindOf(const ucontext_t& context) noexcept {
    const auto code = static_cast<uint64_t>(context.uc_mcontext.gregs[REG_ERR]);
    return (code & 16) != 0  ? Fault::Kind::kExecute
           : (code & 2) != 0 ? Fault::Kind::kWrite
                             : Fault::Kind::kRead;
}

void Report(const siginfo_t& info, const ucontext_t& context) noexcept {
    Fault fault;
    fault.kind = KindOf(context);
    fault.address = info.si_addr;
    fault.code = reinterpret_cast<const void*>(context.uc_mcontext.gregs[REG_RIP]);
    CaptureStack(fault.stack);
    fault.stack.BeginAt(fault.code);
    g_reporter(fault);
}

void OnSignal(int signal, siginfo_t* info, void* context) {
    const int saved = errno;
    if (info->si_code > 0 && g_filter(info->si_addr)) {
        Report(*info, *static_cast<ucontext_t*>(context));
    }
    errno = saved;
    if ((g_former.sa_flags & SA_SIGINFO) != 0) return g_former.sa_sigaction(signal, info, context);
    if (g_former.sa_handler != SIG_DFL && g_former.sa_handler != SIG_IGN) {
        return g_former.sa_handler(signal);
    }
    // The instruction is run again, and this time ends the process as if nobody had watched.
    struct sigaction standard = {};
    standard.sa_handler = SIG_DFL;
    sigaction(signal, &standard, nullptr);
    if (info->si_code <= 0) raise(signal);  // sent by somebody, not by an instruction
}

}  // namespace

bool WatchFaults(FaultFilter filter, FaultReporter reporter) noexcept {
    g_filter = filter;
    g_reporter = reporter;
    struct sigaction action = {};
    action.sa_sigaction = &OnSignal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    return sigaction(SIGSEGV, &action, &g_former) == 0;
}

}  // namespace strata::os

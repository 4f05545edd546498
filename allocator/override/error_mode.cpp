#include "override/error_mode.h"

namespace strata::override {

void RestoreErrorMode(const ErrorModes& modes, const ErrorModeCalls& calls) noexcept {
    if (modes.quiet != modes.right && calls.get() == modes.quiet) calls.set(modes.right);
}

void GiveErrorMode(HANDLE process, const ErrorModes& modes) noexcept {
    // The system keeps the flag for critical errors the other way round.
    constexpr int kDefaultHardErrorMode = 12;  // ProcessDefaultHardErrorMode
    using SetInformation = LONG(NTAPI*)(HANDLE, int, void*, ULONG);
    const auto set = reinterpret_cast<SetInformation>(reinterpret_cast<void*>(
        GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "NtSetInformationProcess")));
    if (set == nullptr) return;
    ULONG value = modes.right ^ SEM_FAILCRITICALERRORS;
    const UINT own = GetErrorMode();
    set(process, kDefaultHardErrorMode, &value, sizeof value);
    // A system that knows no mode but the caller's has changed that.
    if (GetErrorMode() != own) SetErrorMode(own);
}

}  // namespace strata::override

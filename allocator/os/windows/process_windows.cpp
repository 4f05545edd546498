#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include "os/fatal.h"
#include "os/lock.h"
#include "os/process.h"
#include "os/thread.h"
#include "os/windows/last_error_keeper.h"
#include "os/windows/thread_exit.h"
#include "os/windows/wide_name.h"

// Exported by ntdll and documented under their kernel names (WaitOnAddress, WakeByAddressSingle) or
// by name alone (RtlDllShutdownInProgress); taken from ntdll to keep the import list short.
extern "C" {
__declspec(dllimport) LONG NTAPI RtlWaitOnAddress(const void* address, const void* compare,
                                                  SIZE_T bytes, const LARGE_INTEGER* timeout);
__declspec(dllimport) void NTAPI RtlWakeAddressSingle(const void* address);
__declspec(dllimport) BOOLEAN NTAPI RtlDllShutdownInProgress(void);
__declspec(dllimport) void NTAPI RtlRaiseStatus(LONG status);
}

namespace strata::os {

constinit uint32_t g_slot_offset = 0;

namespace {

// TEB::TlsSlots on x64; the first 64 slots lie there (winternl.h names the field).
constexpr uint32_t kTebTlsSlots = 0x1480;
constexpr DWORD kTebSlots = 64;

constinit DWORD g_slot = TLS_OUT_OF_INDEXES;
constinit DWORD g_observer_slot = TLS_OUT_OF_INDEXES;

}  // namespace

void SetThreadSlot(void* value) noexcept {
    const LastErrorKeeper keeper;
    TlsSetValue(g_slot, value);
}

// Memory for slots outside the TEB comes from the process heap.
bool SetThreadSlotAtEnd(void* value) noexcept {
    if (g_slot_offset == 0) return false;
    SetThreadSlot(value);
    return true;
}

void* GetThreadSlotSlow() noexcept {
    if (g_slot == TLS_OUT_OF_INDEXES) return nullptr;
    const LastErrorKeeper keeper;
    return TlsGetValue(g_slot);
}

static_assert(kNoSystemSlot == TLS_OUT_OF_INDEXES);
SystemSlot AllocateSystemSlot() noexcept {
    const LastErrorKeeper keeper;
    return TlsAlloc();
}

void FreeSystemSlot(SystemSlot slot) noexcept {
    const LastErrorKeeper keeper;
    TlsFree(slot);
}

void UseThreadSlot(SystemSlot slot, void (*on_exit)(void* value) noexcept) noexcept {
    g_slot = slot;
    RegisterThreadExit(on_exit);
    if (slot < kTebSlots) g_slot_offset = kTebTlsSlots + 8 * slot;
}

bool HasSlotInTeb() noexcept {
    const SystemSlot slot = AllocateSystemSlot();
    if (slot == kNoSystemSlot) return false;
    FreeSystemSlot(slot);
    return slot < kTebSlots;
}

// Only one of the slots in the TEB itself: memory for the others comes from the process heap.
bool CreateObserverSlot() noexcept {
    if (g_observer_slot != TLS_OUT_OF_INDEXES) return true;
    const DWORD slot = TlsAlloc();
    if (slot == TLS_OUT_OF_INDEXES) return false;
    if (slot >= kTebSlots) {
        TlsFree(slot);
        return false;
    }
    g_observer_slot = slot;
    return true;
}

void* GetObserverSlot() noexcept {
    return reinterpret_cast<void*>(
        ReadTeb(kTebTlsSlots + 8 * static_cast<uint32_t>(g_observer_slot)));
}

void SetObserverSlot(void* value) noexcept {
    const LastErrorKeeper keeper;
    TlsSetValue(g_observer_slot, value);
}

bool WaitOnWord(std::atomic<uint32_t>& word, uint32_t value) noexcept {
    if (RtlDllShutdownInProgress()) return false;
    // Wakes by itself every 100 ms: the holder may have been ended together with all other threads
    // while this one, the one that ends the process, was about to sleep.
    LARGE_INTEGER timeout;
    timeout.QuadPart = -1000000;
    RtlWaitOnAddress(&word, &value, sizeof value, &timeout);
    return true;
}

// A thread's id names it as long as it runs, or somebody has a handle of it. Should another thread
// have got the id since, it is taken for the holder until it ends, too.
void RequireHolder(uint32_t mark) noexcept {
    const DWORD error = GetLastError();
    const HANDLE thread = OpenThread(SYNCHRONIZE, FALSE, mark);
    bool gone = thread == nullptr && GetLastError() == ERROR_INVALID_PARAMETER;
    if (thread != nullptr) {
        gone = WaitForSingleObject(thread, 0) == WAIT_OBJECT_0;
        CloseHandle(thread);
    }
    SetLastError(error);
    if (gone && !RtlDllShutdownInProgress()) FatalAbandonedLock(mark);
}

void WakeOneOnWord(std::atomic<uint32_t>& word) noexcept { RtlWakeAddressSingle(&word); }

void SpinPause() noexcept { YieldProcessor(); }

uint64_t Milliseconds() noexcept { return GetTickCount64(); }

uint64_t RandomBits() noexcept {
    // Enough to make addresses and choices differ between runs and calls; not for keys. The clocks
    // may stand still between two calls, hence the count.
    static constinit std::atomic<uint64_t> calls{0};
    LARGE_INTEGER counter;
    FILETIME time;
    QueryPerformanceCounter(&counter);
    GetSystemTimeAsFileTime(&time);
    uint64_t bits = static_cast<uint64_t>(counter.QuadPart) ^
                    (static_cast<uint64_t>(GetCurrentProcessId()) << 32) ^
                    reinterpret_cast<uintptr_t>(&counter) ^ time.dwLowDateTime;
    bits += calls.fetch_add(0x9E3779B97F4A7C15u, std::memory_order_relaxed);
    bits ^= bits >> 30;
    bits *= 0xBF58476D1CE4E5B9u;
    bits ^= bits >> 27;
    bits *= 0x94D049BB133111EBu;
    return bits ^ (bits >> 31);
}

void WriteStandardError(const char* text, size_t length) noexcept {
    const LastErrorKeeper keeper;
    const HANDLE handle = GetStdHandle(STD_ERROR_HANDLE);
    while (length > 0 && handle != nullptr && handle != INVALID_HANDLE_VALUE) {
        DWORD written = 0;
        const DWORD piece = length < 0x10000 ? static_cast<DWORD>(length) : 0x10000;
        if (!WriteFile(handle, text, piece, &written, nullptr) || written == 0) break;
        text += written;
        length -= written;
    }
}

bool GetOption(const char* name, char* buffer, size_t capacity) noexcept {
    constexpr size_t kLongest = 512;
    wchar_t wide_value[kLongest];
    const LastErrorKeeper keeper;
    SetLastError(ERROR_SUCCESS);
    const DWORD length = GetEnvironmentVariableW(WideName(name).text, wide_value, kLongest);
    const bool found = length != 0 || GetLastError() == ERROR_SUCCESS;
    if (!found || length >= kLongest || length >= capacity) return false;
    for (size_t i = 0; i < length; ++i) {
        if (wide_value[i] > 126) return false;
        buffer[i] = static_cast<char>(wide_value[i]);
    }
    buffer[length] = 0;
    return true;
}

bool HasOption(const char* name) noexcept {
    const LastErrorKeeper keeper;
    return GetEnvironmentVariableW(WideName(name).text, nullptr, 0) > 1;
}

namespace {

// As long as both are the same, in capitals or not, which names of variables do not tell apart.
bool Begins(const wchar_t* text, const char* with) noexcept {
    for (; *with != 0; ++text, ++with) {
        const wchar_t c =
            *text >= L'a' && *text <= L'z' ? static_cast<wchar_t>(*text - L'a' + L'A') : *text;
        if (c != static_cast<wchar_t>(*with)) return false;
    }
    return true;
}

// What stands before the equals sign; false when it is too long, or not ASCII.
bool NameOf(const wchar_t* variable, char* name, size_t capacity) noexcept {
    size_t length = 0;
    for (; variable[length] != L'=' && variable[length] != 0; ++length) {
        if (length + 1 == capacity || variable[length] > 126) return false;
        name[length] = static_cast<char>(variable[length]);
    }
    name[length] = 0;
    return true;
}

}  // namespace

void ForEachOption(const char* prefix, void (*visit)(const char* name, void* context) noexcept,
                   void* context) noexcept {
    const LastErrorKeeper keeper;
    wchar_t* const all = GetEnvironmentStringsW();
    if (all == nullptr) return;
    for (const wchar_t* variable = all; *variable != 0; ++variable) {
        char name[64];
        if (Begins(variable, prefix) && NameOf(variable, name, sizeof name)) visit(name, context);
        while (*variable != 0) ++variable;
    }
    FreeEnvironmentStringsW(all);
}

void FailFast() noexcept {
#if defined(__GNUC__) || defined(__clang__)
    // FAST_FAIL_HEAP_METADATA_CORRUPTION (winnt.h: 50): the kernel ends the process without running
    // handlers, Windows Error Reporting records it as 0xC0000409.
    __asm__ volatile("int $0x29" : : "c"(50));
    __builtin_unreachable();
#else
    __fastfail(50);
#endif
}

void SetOutOfMemoryError() noexcept { SetLastError(ERROR_NOT_ENOUGH_MEMORY); }
void SetInvalidArgumentError() noexcept { SetLastError(ERROR_INVALID_PARAMETER); }
uint32_t GetLastErrorCode() noexcept { return GetLastError(); }
void SetLastErrorCode(uint32_t code) noexcept { SetLastError(code); }

void RaiseNoMemory(size_t bytes) {
    const ULONG_PTR information[] = {bytes};
    RaiseException(0xC0000017, 0, 1, information);
}

void RaiseAccessViolation(const void* handle) {
    const ULONG_PTR information[] = {0 /* a read */, reinterpret_cast<ULONG_PTR>(handle)};
    RaiseException(0xC0000005, 0, 2, information);
}

uint32_t ProcessId() noexcept { return GetCurrentProcessId(); }

}  // namespace strata::os

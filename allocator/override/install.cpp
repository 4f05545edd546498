#include "override/install.h"

#include "api/win32_heap.h"
#include "heap/heap.h"
#include "os/process.h"
#include "os/thread.h"
#include "override/entry_table.h"
#include "override/heap_context.h"
#include "override/redirect.h"
#include "override/status.h"

namespace strata::override {

namespace {

// Fields of the PEB on x64 (winternl.h leaves them unnamed; public symbols have them).
constexpr uint32_t kTebPeb = 0x60;
constexpr uint32_t kPebProcessHeap = 0x30;
constexpr uint32_t kPebGlobalFlag = 0xBC;
// Microsoft, "GFlags Flag Table": page heap; Application Verifier.
constexpr uint32_t kFlagPageHeap = 0x02000000;
constexpr uint32_t kFlagVerifier = 0x00000100;
// The debug heap, which a program gets that is started in a debugger: tail and free checks.
constexpr uint32_t kFlagTailCheck = 0x00000010;
constexpr uint32_t kFlagFreeCheck = 0x00000020;

template <typename T>
T ReadPeb(uint32_t offset) noexcept {
    return *reinterpret_cast<const T*>(os::ReadTeb(kTebPeb) + offset);
}

struct Module {
    HMODULE handle = nullptr;
    uintptr_t begin = 0;
    uintptr_t bytes = 0;
};

Module FindModule(const wchar_t* name) noexcept {
    Module module;
    module.handle = GetModuleHandleW(name);
    if (module.handle == nullptr) return module;
    module.begin = reinterpret_cast<uintptr_t>(module.handle);
    const auto* const dos = reinterpret_cast<const IMAGE_DOS_HEADER*>(module.begin);
    const auto* const headers = reinterpret_cast<const IMAGE_NT_HEADERS64*>(
        module.begin + static_cast<uint32_t>(dos->e_lfanew));
    module.bytes = headers->OptionalHeader.SizeOfImage;
    return module;
}

// Arbitrary Code Guard: no code may be written or made executable.
bool IsDynamicCodeForbidden() noexcept {
    using Query = BOOL(WINAPI*)(HANDLE, int, void*, SIZE_T);
    constexpr int kDynamicCodePolicy = 2;  // ProcessDynamicCodePolicy
    const auto query = reinterpret_cast<Query>(reinterpret_cast<void*>(
        GetProcAddress(GetModuleHandleW(L"kernel32.dll"), "GetProcessMitigationPolicy")));
    DWORD flags = 0;
    return query != nullptr &&
           query(GetCurrentProcess(), kDynamicCodePolicy, &flags, sizeof flags) && (flags & 1) != 0;
}

const char* ReasonToDecline() noexcept {
    const auto flags = ReadPeb<uint32_t>(kPebGlobalFlag);
    if ((flags & kFlagPageHeap) != 0) return "page heap is enabled for this program";
    if ((flags & kFlagVerifier) != 0) return "Application Verifier is enabled for this program";
    if (IsDynamicCodeForbidden()) {
        return "the process forbids dynamic code (arbitrary code guard)";
    }
    return nullptr;
}

// The requests for what this ntdll has.
class Plan {
public:
    // False when something without which the override cannot work is missing; the status says what.
    bool Make(const Module& ntdll, const Settings& settings) noexcept;
    const RedirectRequest* requests() const noexcept { return requests_; }
    size_t count() const noexcept { return count_; }

private:
    void Skip(const char* name, const char* why, const Settings& settings) noexcept;

    RedirectRequest requests_[kEntryCount];
    size_t count_ = 0;
};

void Plan::Skip(const char* name, const char* why, const Settings& settings) noexcept {
    if (!settings.verbose) return;
    os::TextBuffer<256> text;
    text.Put("not redirected: ").Put(name).Put(": ").Put(why);
    Say(text.text());
}

bool Plan::Make(const Module& ntdll, const Settings& settings) noexcept {
    for (size_t i = 0; i < kEntryCount; ++i) {
        const EntryInfo& info = kEntries[i];
        void* const entry = reinterpret_cast<void*>(GetProcAddress(ntdll.handle, info.name));
        if (entry == nullptr) {
            if (info.need == Need::kAlways) {
                os::TextBuffer<128> text;
                SetDeclined(text.Put(info.name).Put(" is not exported by this ntdll").text());
                return false;
            }
            Skip(info.name, "this ntdll does not export it", settings);
            continue;
        }
        if (info.need == Need::kWelcome) {
            const Refusal refusal = CheckEntry(entry);
            if (refusal != Refusal::kNone) {
                Skip(info.name, RefusalText(refusal), settings);
                continue;
            }
        }
        requests_[count_++] = {info.name, entry,
                               ReplacementOf(static_cast<Entry>(i), settings.Counting()),
                               &g_originals[i]};
    }
    return true;
}

void SayRedirects(const Plan& plan, const Module& ntdll) noexcept {
    for (size_t i = 0; i < plan.count(); ++i) {
        const RedirectRequest& request = plan.requests()[i];
        os::TextBuffer<256> text;
        text.Put("redirected: ").Put(request.name).Put(" at ntdll+");
        text.PutHex(reinterpret_cast<uintptr_t>(request.entry) - ntdll.begin);
        Say(text.text());
    }
}

void DeclineFor(const RedirectResult& result) noexcept {
    os::TextBuffer<sizeof g_status.reason> text;
    text.Put(result.name).Put(" cannot be redirected: ").Put(RefusalText(result.refusal));
    if (result.system_error != 0) {
        text.Put(" (error ").PutDecimal(result.system_error).Put(")");
    }
    SetDeclined(text.text());
}

}  // namespace

void Install(const Settings& settings) noexcept {
    if (const char* const reason = ReasonToDecline()) return SetDeclined(reason);
    const Module ntdll = FindModule(L"ntdll.dll");
    if (ntdll.handle == nullptr) return SetDeclined("ntdll.dll is not found");
    const auto flags = ReadPeb<uint32_t>(kPebGlobalFlag);
    const bool tail = (flags & kFlagTailCheck) != 0;
    const bool free = (flags & kFlagFreeCheck) != 0;
    if (!heap::InitializeWithChecks(tail, free)) {
        return SetDeclined("no memory for Strata's heap");
    }
    g_context.check_flags =
        (tail ? api::kHeapTailChecking : 0) | (free ? api::kHeapFreeChecking : 0);

    g_context.process_handle = ReadPeb<const void*>(kPebProcessHeap);
    g_context.process_heap = heap::ProcessHeap();
    g_context.ntdll_begin = ntdll.begin;
    g_context.ntdll_bytes = ntdll.bytes;

    Plan plan;
    if (!plan.Make(ntdll, settings)) return;
    g_status.active_since = os::Milliseconds();
    const RedirectResult result = RedirectAll(plan.requests(), plan.count());
    if (!result.Done()) return DeclineFor(result);
    g_status.state = STRATA_OVERRIDE_ACTIVE;
    g_status.redirected = static_cast<uint32_t>(plan.count());
    g_status.reason[0] = 0;
    if (settings.verbose) SayRedirects(plan, ntdll);
}

}  // namespace strata::override

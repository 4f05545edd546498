#include "override/install.h"

#include "api/win32_heap.h"
#include "heap/heap.h"
#include "os/process.h"
#include "os/thread.h"
#include "override/crt_redirect.h"
#include "override/entry_point.h"
#include "override/entry_table.h"
#include "override/heap_context.h"
#include "override/module_image.h"
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
// Heap tagging, and tagging by DLL.
constexpr uint32_t kFlagTagging = 0x00000800;
constexpr uint32_t kFlagTagByDll = 0x00008000;

template <typename T>
T ReadPeb(uint32_t offset) noexcept {
    return *reinterpret_cast<const T*>(os::ReadTeb(kTebPeb) + offset);
}

constexpr char kNoSlot[] = "no thread slot is free that is set without a heap call";

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

// There ntdll's own code is ARM64EC, which calls its heap functions past the x64 entries of their
// exports.
bool IsEmulatedOnArm() noexcept {
    using Query = BOOL(WINAPI*)(HANDLE, USHORT * process, USHORT * native);
    constexpr USHORT kArm64 = 0xAA64;  // IMAGE_FILE_MACHINE_ARM64
    const auto query = reinterpret_cast<Query>(reinterpret_cast<void*>(
        GetProcAddress(GetModuleHandleW(L"kernel32.dll"), "IsWow64Process2")));
    USHORT process = 0;
    USHORT native = 0;
    return query != nullptr && query(GetCurrentProcess(), &process, &native) && native == kArm64;
}

const char* ReasonToDecline() noexcept {
    const auto flags = ReadPeb<uint32_t>(kPebGlobalFlag);
    if ((flags & kFlagPageHeap) != 0) return "page heap is enabled for this program";
    if ((flags & kFlagVerifier) != 0) return "Application Verifier is enabled for this program";
    if (IsEmulatedOnArm()) return "this is an x64 program on ARM64 Windows";
    if (IsDynamicCodeForbidden()) {
        return "the process forbids dynamic code (arbitrary code guard)";
    }
    // A thread's first heap call would set its slot, and so come to itself.
    if (!os::HasSlotInTeb()) return kNoSlot;
    return nullptr;
}

void DeclineFor(const RedirectResult& result) noexcept {
    os::TextBuffer<sizeof g_status.reason> text;
    PutRefusal(text, result);
    SetDeclined(text.text());
}

// The requests for what this ntdll has.
class Plan {
public:
    // False when something without which the override cannot work is missing; the status says what.
    bool Make(const ModuleImage& ntdll, const Settings& settings) noexcept;
    const RedirectRequest* requests() const noexcept { return requests_; }
    size_t count() const noexcept { return count_; }

private:
    static bool Decline(const char* name, Refusal refusal) noexcept;
    void Skip(const char* name, const char* why, const Settings& settings) noexcept;
    // Whether `entry` is redirected already, under another name.
    bool Has(const void* entry) const noexcept;
    bool Add(size_t index, const EntryPoint& entry, const Settings& settings) noexcept;

    RedirectRequest requests_[kEntryCount];
    Entry entries_[kEntryCount];
    size_t count_ = 0;
};

bool Plan::Decline(const char* name, Refusal refusal) noexcept {
    RedirectResult result;
    result.name = name;
    result.refusal = refusal;
    DeclineFor(result);
    return false;
}

void Plan::Skip(const char* name, const char* why, const Settings& settings) noexcept {
    if (!settings.verbose) return;
    os::TextBuffer<256> text;
    text.Put("not redirected: ").Put(name).Put(": ").Put(why);
    Say(text.text());
}

bool Plan::Has(const void* entry) const noexcept {
    for (size_t i = 0; i < count_; ++i) {
        if (requests_[i].entry == entry) return true;
    }
    return false;
}

bool Plan::Make(const ModuleImage& ntdll, const Settings& settings) noexcept {
    for (size_t i = 0; i < kEntryCount; ++i) {
        const EntryInfo& info = kEntries[i];
        void* const entry = FindExport(ntdll, info.name);
        if (entry == nullptr) {
            if (info.need == Need::kAlways) {
                os::TextBuffer<128> text;
                SetDeclined(text.Put(info.name).Put(" is not exported by this ntdll").text());
                return false;
            }
            Skip(info.name, "this ntdll does not export it", settings);
            continue;
        }
        if (!Add(i, FindEntryPoint(ntdll, entry), settings)) return false;
    }
    // When it is known where ntdll's code lies.
    for (size_t i = 0; i < count_; ++i) {
        requests_[i].replacement = ReplacementOf(entries_[i], settings.HowToWatch());
    }
    return true;
}

bool Plan::Add(size_t index, const EntryPoint& entry, const Settings& settings) noexcept {
    const EntryInfo& info = kEntries[index];
    const bool welcome = info.need == Need::kWelcome;
    if (welcome && Has(entry.at)) {
        Skip(info.name, "another name of a function that is", settings);
        return true;
    }
    Refusal refusal = CheckEntry(entry.at, entry.first);
    if (refusal == Refusal::kNone && entry.hotpatch.Exists() && !AddNtdllPart(entry.hotpatch)) {
        refusal = Refusal::kAlreadyRedirected;
    }
    if (refusal != Refusal::kNone) {
        if (!welcome) return Decline(info.name, refusal);
        Skip(info.name, RefusalText(refusal), settings);
        return true;
    }
    entries_[count_] = static_cast<Entry>(index);
    requests_[count_++] = {info.name, entry.at, nullptr, &g_originals[index], entry.first};
    return true;
}

void SayRedirects(const Plan& plan, const ModuleImage& ntdll) noexcept {
    for (size_t i = 0; i < plan.count(); ++i) {
        const RedirectRequest& request = plan.requests()[i];
        os::TextBuffer<256> text;
        text.Put("redirected: ").Put(request.name).Put(" at ntdll+");
        text.PutHex(reinterpret_cast<uintptr_t>(request.entry) - ntdll.begin);
        Say(text.text());
    }
}

// With the checks of the debug heap where the program was to have that.
bool MakeHeap() noexcept {
    const auto flags = ReadPeb<uint32_t>(kPebGlobalFlag);
    const bool tail = (flags & kFlagTailCheck) != 0;
    const bool free = (flags & kFlagFreeCheck) != 0;
    if (!heap::InitializeWithChecks(tail, free)) return false;
    g_status.heap_made = true;
    // Tags are entries in the original's books: where it keeps them.
    if ((flags & (kFlagTagging | kFlagTagByDll)) != 0) g_context.original_flags |= kTagFlags;
    g_context.check_flags =
        (tail ? api::kHeapTailChecking : 0) | (free ? api::kHeapFreeChecking : 0);
    g_context.process_handle = ReadPeb<const void*>(kPebProcessHeap);
    g_context.process_heap = heap::ProcessHeap();
    return true;
}

}  // namespace

void Install(const Settings& settings) noexcept {
    if (const char* const reason = ReasonToDecline()) return SetDeclined(reason);
    const ModuleImage ntdll = FindImage(L"ntdll.dll");
    if (!ntdll.Exists()) return SetDeclined("ntdll.dll is not found");
    g_context.ntdll_begin = ntdll.begin;
    g_context.ntdll_bytes = ntdll.bytes;
    Plan plan;
    if (!plan.Make(ntdll, settings)) return;
    if (!MakeHeap()) return SetDeclined("no memory for Strata's heap");
    // Somebody else may have taken the last slot meanwhile.
    if (os::g_slot_offset == 0) return SetDeclined(kNoSlot);

    g_status.active_since = os::Milliseconds();
    const RedirectResult result = RedirectAll(plan.requests(), plan.count());
    if (!result.Done()) return DeclineFor(result);
    g_status.state = STRATA_OVERRIDE_ACTIVE;
    g_status.redirected = static_cast<uint32_t>(plan.count());
    g_status.reason[0] = 0;
    if (settings.verbose) SayRedirects(plan, ntdll);
    // A recording is of what the heap is asked for: the runtimes' functions come to it by
    // themselves.
    if (!settings.keep_crt && !settings.recording) RedirectCrts(settings);
}

}  // namespace strata::override

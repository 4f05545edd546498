#include "override/crt_redirect.h"

#include "override/coverage.h"
#include "override/crt_table.h"
#include "override/entry_point.h"
#include "override/module_image.h"
#include "override/originals.h"
#include "override/redirect.h"
#include "override/status.h"

namespace strata::override {

namespace {

// Changed under the loader lock only, in which the system calls us.
struct Slot {
    ModuleImage image;  // of the redirected runtime; none: it is not loaded, or was left alone
    RedirectResult result;
};
constinit Slot g_slots[kCrtCount] = {};
constinit bool g_verbose = false;
constinit bool g_counting = false;

void SayLeft(const char* crt, const char* function, const char* why) noexcept {
    NoteRuntimeLeft(crt, function, why);
    if (!g_verbose) return;
    os::TextBuffer<256> text;
    text.Put("not redirected: ").Put(crt);
    if (function != nullptr) text.Put(": ").Put(function);
    Say(text.Put(": ").Put(why).text());
}

// The requests for what one runtime exports.
class Plan {
public:
    Plan(size_t crt, const ModuleImage& image) noexcept : crt_(crt), image_(image) {}

    // False, which has been said, when the runtime must be left alone.
    bool Make() noexcept;
    // A runtime that is just being mapped has no thread in it.
    RedirectResult Carry(bool running) const noexcept {
        RedirectOptions options;
        options.hold_threads = running;
        options.originals = &originals_;
        return RedirectAll(requests_, count_, options);
    }
    size_t count() const noexcept { return count_; }

private:
    bool Add(const CrtFunction& function) noexcept;
    // Gives up those whose original could lead back to them.
    void DropUnproven() noexcept;
    bool Leave(const char* function, const char* why) const noexcept {
        SayLeft(kCrtNames[crt_], function, why);
        return false;
    }

    size_t crt_;
    const ModuleImage& image_;
    RedirectRequest requests_[kCrtFunctionCount];
    CrtKind kinds_[kCrtFunctionCount];
    size_t count_ = 0;
    Originals originals_;  // of the requests as DropUnproven left them
};
static_assert(kCrtFunctionCount <= kMaxRedirects);

bool Plan::Add(const CrtFunction& function) noexcept {
    void* const exported = FindExport(image_, function.name);
    if (exported == nullptr) {
        return !function.needed || Leave(function.name, "it is not exported");
    }
    const EntryPoint entry = FindEntryPoint(image_, exported);
    for (size_t i = 0; i < count_; ++i) {
        if (requests_[i].entry == entry.at) {  // one function with two names
            return kinds_[i] == function.kind ||
                   Leave(function.name, "it is one function with another of a different meaning");
        }
    }
    const Refusal refusal = CheckEntry(entry.at, entry.first);
    if (refusal != Refusal::kNone) {
        Leave(function.name, RefusalText(refusal));
        return !function.needed;
    }
    kinds_[count_] = function.kind;
    requests_[count_++] = {function.name, entry.at, CrtReplacement(crt_, function.kind, g_counting),
                           &g_crts[crt_].originals[Index(function.kind)], entry.first};
    return true;
}

// Each that goes changes what the others lead to. They end in those that stay, or in HeapAlloc.
void Plan::DropUnproven() noexcept {
    for (;;) {
        originals_ = ProveOriginals(requests_, count_);
        const uint64_t unproven = originals_.unproven;
        if (unproven == 0) return;
        size_t kept = 0;
        for (size_t i = 0; i < count_; ++i) {
            if ((unproven >> i & 1) != 0) {
                Leave(requests_[i].name, RefusalText(Refusal::kLeadsBack));
                continue;
            }
            kinds_[kept] = kinds_[i];
            requests_[kept++] = requests_[i];
        }
        count_ = kept;
    }
}

bool Plan::Make() noexcept {
    for (const CrtFunction& function : kCrtFunctions) {
        if (!Add(function)) return false;
    }
    DropUnproven();
    return true;
}

// False, which has been said, when the runtime's heap is one that Strata does not serve, or cannot
// be known. A runtime that is not initialised yet has none; it is asked again later.
bool MayServe(size_t crt, bool initialized) noexcept {
    if (g_crts[crt].get_heap_handle == nullptr) {
        SayLeft(kCrtNames[crt], "_get_heap_handle", "it is not exported");
        return false;
    }
    bool known = false;
    if (initialized && HeapOfCrt(g_crts[crt], known) == nullptr && known) {
        SayLeft(kCrtNames[crt], nullptr, "its heap is from before Strata");
        return false;
    }
    return true;
}

void Take(size_t crt, const ModuleImage& image, bool initialized) noexcept {
    Slot& slot = g_slots[crt];
    // Known already: the system names modules that were mapped before us when it initialises them.
    if (slot.image.begin == image.begin) return;
    if (slot.image.Exists()) {
        return SayLeft(kCrtNames[crt], nullptr, "another copy of it is redirected");
    }
    g_crts[crt].get_heap_handle = FindExport(image, "_get_heap_handle");
    if (!MayServe(crt, initialized)) return;
    Plan plan(crt, image);
    if (!plan.Make()) return;
    slot.result = plan.Carry(/*running=*/initialized);
    if (!slot.result.Done()) {
        os::TextBuffer<200> why;
        PutRefusal(why, slot.result);
        return SayLeft(kCrtNames[crt], nullptr, why.text());
    }
    slot.image = image;
    NoteRuntimeRedirected(kCrtNames[crt], plan.count());
    if (!g_verbose) return;
    os::TextBuffer<256> text;
    text.Put("redirected: ").PutDecimal(plan.count()).Put(" functions of ").Put(kCrtNames[crt]);
    Say(text.text());
}

// The module is being unmapped, and its threads are out of it.
void Drop(size_t crt) noexcept {
    Crt& state = g_crts[crt];
    state.heap.store(nullptr, std::memory_order_relaxed);
    state.elsewhere.store(false, std::memory_order_relaxed);
    ForgetRedirects(g_slots[crt].result);
    g_slots[crt] = {};
}

// Microsoft, "LdrDllNotification": LDR_DLL_NOTIFICATION_DATA, of which both forms look alike.
struct CountedText {
    USHORT bytes;
    USHORT capacity;
    const wchar_t* text;
};
struct DllNotification {
    ULONG flags;
    const CountedText* path;
    const CountedText* name;
    void* base;
    ULONG bytes;
};
constexpr ULONG kLoaded = 1;
constexpr ULONG kUnloaded = 2;

using NotificationFunction = void(CALLBACK*)(ULONG reason, const DllNotification* data,
                                             void* context);
using RegisterFunction = LONG(NTAPI*)(ULONG flags, NotificationFunction function, void* context,
                                      void** cookie);

// Names of files, of which these are ASCII: upper and lower case are the same.
bool IsNamed(const CountedText& name, const char* expected) noexcept {
    const size_t length = name.bytes / sizeof(wchar_t);
    for (size_t i = 0; i < length; ++i) {
        wchar_t c = name.text[i];
        if (c >= L'A' && c <= L'Z') c = static_cast<wchar_t>(c - L'A' + L'a');
        if (c != static_cast<wchar_t>(expected[i]) || c == 0) return false;
    }
    return expected[length] == 0;
}

// "Loaded" comes when the module is mapped and before any of its code runs, so that no thread can
// stand in the bytes that are overwritten.
void CALLBACK OnDll(ULONG reason, const DllNotification* data, void*) {
    const DWORD error = GetLastError();
    for (size_t crt = 0; crt < kCrtCount; ++crt) {
        if (reason == kLoaded && IsNamed(*data->name, kCrtNames[crt])) {
            const ModuleImage image = ImageAt(data->base);
            if (image.Exists()) Take(crt, image, /*initialized=*/false);
        } else if (reason == kUnloaded && g_slots[crt].image.Exists() &&
                   g_slots[crt].image.begin == reinterpret_cast<uintptr_t>(data->base)) {
            Drop(crt);
        }
    }
    SetLastError(error);
}

}  // namespace

void RedirectCrts(const Settings& settings) noexcept {
    g_verbose = settings.verbose;
    g_counting = settings.Counting();
    constexpr const wchar_t* kWideNames[kCrtCount] = {L"msvcrt.dll", L"ucrtbase.dll"};
    for (size_t crt = 0; crt < kCrtCount; ++crt) {
        const ModuleImage image = FindImage(kWideNames[crt]);
        if (image.Exists()) Take(crt, image, /*initialized=*/true);
    }
    const auto subscribe = reinterpret_cast<RegisterFunction>(
        FindExport(FindImage(L"ntdll.dll"), "LdrRegisterDllNotification"));
    void* cookie;
    if (subscribe == nullptr || subscribe(0, OnDll, nullptr, &cookie) != 0) {
        SayLeft("C runtimes", nullptr, "the system does not tell when one is loaded");
    }
}

void ForgetCrtHeap(const heap::Heap* heap) noexcept {
    for (Crt& crt : g_crts) {
        if (crt.heap.load(std::memory_order_relaxed) != heap) continue;
        crt.elsewhere.store(true, std::memory_order_relaxed);
        crt.heap.store(nullptr, std::memory_order_relaxed);
    }
}

}  // namespace strata::override

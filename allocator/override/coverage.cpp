#include "override/coverage.h"

#include "override/module_image.h"
#include "override/windows_api.h"

namespace strata::override {

namespace {

// Runtimes that come as DLLs. The first two are redirected; the others are served through
// HeapAlloc.
struct Runtime {
    const char* name;
    const wchar_t* module;
};
constexpr Runtime kRuntimes[] = {
    {"msvcrt.dll", L"msvcrt.dll"},       {"ucrtbase.dll", L"ucrtbase.dll"},
    {"ucrtbased.dll", L"ucrtbased.dll"}, {"msvcr80.dll", L"msvcr80.dll"},
    {"msvcr90.dll", L"msvcr90.dll"},     {"msvcr100.dll", L"msvcr100.dll"},
    {"msvcr110.dll", L"msvcr110.dll"},   {"msvcr120.dll", L"msvcr120.dll"},
};
constexpr size_t kRuntimeCount = sizeof kRuntimes / sizeof kRuntimes[0];

struct Note {
    size_t functions = 0;  // redirected
    char why[128] = {};    // not, if it is known
};
constinit Note g_notes[kRuntimeCount] = {};

Note* FindNote(const char* crt) noexcept {
    for (size_t i = 0; i < kRuntimeCount; ++i) {
        const char* const name = kRuntimes[i].name;
        size_t at = 0;
        while (name[at] != 0 && name[at] == crt[at]) ++at;
        if (name[at] == crt[at]) return &g_notes[i];
    }
    return nullptr;
}

enum class Heap { kUnknown, kProcess, kOther };

// Where the runtime allocates.
Heap HeapOf(const ModuleImage& image) noexcept {
    using Function = intptr_t (*)();
    const auto function = reinterpret_cast<Function>(FindExport(image, "_get_heap_handle"));
    if (function == nullptr) return Heap::kUnknown;
    const bool process = function() == reinterpret_cast<intptr_t>(GetProcessHeap());
    return process ? Heap::kProcess : Heap::kOther;
}

// Whether the runtime's blocks come to Strata, at least in part.
bool PutRuntime(os::TextSink& text, const Runtime& runtime, const Note& note,
                const ModuleImage& image) noexcept {
    text.Put(runtime.name).Put(": ");
    if (note.functions != 0) {
        text.PutDecimal(note.functions).Put(" functions redirected");
        return true;
    }
    const Heap heap = HeapOf(image);
    if (heap == Heap::kOther) {
        text.Put("not served, its heap is one of its own from before Strata");
        return false;
    }
    text.Put(heap == Heap::kProcess
                 ? "served through HeapAlloc"
                 : "served through HeapAlloc if it allocates from the process heap");
    if (note.why[0] != 0) text.Put(" (").Put(note.why).Put(")");
    return true;
}

}  // namespace

void NoteRuntimeRedirected(const char* crt, size_t functions) noexcept {
    if (Note* const note = FindNote(crt)) note->functions = functions;
}

void NoteRuntimeLeft(const char* crt, const char* function, const char* why) noexcept {
    Note* const note = FindNote(crt);
    if (note == nullptr) return;
    os::TextSink text(note->why, sizeof note->why);
    if (function != nullptr) text.Put(function).Put(": ");
    text.Put(why);
}

size_t PutCoverage(os::TextSink& text) noexcept {
    size_t unserved = 0;
    bool first = true;
    for (size_t i = 0; i < kRuntimeCount; ++i) {
        const ModuleImage image = FindImage(kRuntimes[i].module);
        if (!image.Exists()) continue;
        if (!first) text.Put("; ");
        first = false;
        if (!PutRuntime(text, kRuntimes[i], g_notes[i], image)) ++unserved;
    }
    if (first) text.Put("no C runtime of Windows' is loaded");
    // The process heap is served from now on; the others are whole heaps of the system's.
    const DWORD heaps = GetProcessHeaps(0, nullptr);
    if (heaps > 1) text.Put("; other heaps from before, not served: ").PutDecimal(heaps - 1);
    return unserved;
}

}  // namespace strata::override

// Strings and whole-heap functions of ntdll: who frees what, and what lists of heaps say. A buffer
// that the program allocates from the process heap may be freed by RtlFreeUnicodeString and its
// kin, and a string that ntdll made may be freed by HeapFree.
#include <windows.h>
#include <winternl.h>

#include <cstring>
#include <cwchar>
#include <vector>

#include "check.h"

namespace {

template <typename Function>
Function Find(const char* name) {
    const FARPROC function = GetProcAddress(GetModuleHandleW(L"ntdll.dll"), name);
    CHECK(function != nullptr);
    return reinterpret_cast<Function>(reinterpret_cast<void*>(function));
}

bool Has(const char* name) {
    return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), name) != nullptr;
}

// All have the same layout: two lengths and a pointer.
using Counted = UNICODE_STRING;
using FreeString = void(NTAPI*)(Counted*);

void Report(const char* name, const Counted& text) {
    std::printf("%s leaves: %u %u %s\n", name, text.Length, text.MaximumLength,
                text.Buffer == nullptr ? "null" : "a pointer");
}

void OurBuffers() {
    for (const char* const name :
         {"RtlFreeUnicodeString", "RtlFreeAnsiString", "RtlFreeOemString", "RtlFreeUTF8String"}) {
        if (!Has(name)) continue;  // RtlFreeUTF8String is Windows 10's
        const auto release = Find<FreeString>(name);
        for (int i = 0; i < 1000; ++i) {
            Counted text = {20, 100, static_cast<wchar_t*>(HeapAlloc(GetProcessHeap(), 0, 100))};
            CHECK(text.Buffer != nullptr);
            std::memset(text.Buffer, 'x', 100);
            release(&text);
            CHECK(text.Buffer == nullptr);
            if (i == 0) Report(name, text);
        }
        Counted empty = {};
        release(&empty);
    }
}

void TheirBuffers() {
    const auto create = Find<BOOLEAN(NTAPI*)(Counted*, const wchar_t*)>("RtlCreateUnicodeString");
    const auto release = Find<FreeString>("RtlFreeUnicodeString");
    for (int i = 0; i < 1000; ++i) {
        Counted text = {};
        CHECK(create(&text, L"a string that ntdll allocates"));
        CHECK(std::wcscmp(text.Buffer, L"a string that ntdll allocates") == 0);
        CHECK(HeapValidate(GetProcessHeap(), 0, text.Buffer));
        CHECK(HeapSize(GetProcessHeap(), 0, text.Buffer) >= 60);
        if (i % 2 == 0) {
            release(&text);
            CHECK(text.Buffer == nullptr);
        } else {
            CHECK(HeapFree(GetProcessHeap(), 0, text.Buffer));
        }
    }
    const auto to_ansi =
        Find<LONG(NTAPI*)(Counted*, const Counted*, BOOLEAN)>("RtlUnicodeStringToAnsiString");
    const auto release_ansi = Find<FreeString>("RtlFreeAnsiString");
    wchar_t letters[] = L"letters";
    const Counted wide = {14, 16, letters};
    Counted narrow = {};
    CHECK(to_ansi(&narrow, &wide, TRUE) == 0);
    CHECK(std::memcmp(narrow.Buffer, "letters", 8) == 0);
    release_ansi(&narrow);
    std::puts("strings of ntdll: ok");
}

size_t Listed(HANDLE heap) {
    std::vector<HANDLE> heaps(1000);
    const DWORD count = GetProcessHeaps(1000, heaps.data());
    CHECK(count > 0 && count <= 1000);
    size_t found = 0;
    for (DWORD i = 0; i < count; ++i) found += heaps[i] == heap ? 1 : 0;
    return found;
}

// A heap is listed once, under the handle that its owner has, and as long as it lives.
void Lists() {
    CHECK(Listed(GetProcessHeap()) == 1);
    const DWORD before = GetProcessHeaps(0, nullptr);
    const HANDLE growing = HeapCreate(0, 0, 0);
    const HANDLE fixed = HeapCreate(0, 0, 0x100000);
    CHECK(Listed(growing) == 1 && Listed(fixed) == 1);
    CHECK(GetProcessHeaps(0, nullptr) == before + 2);
    CHECK(HeapDestroy(growing) && HeapDestroy(fixed));
    CHECK(Listed(growing) == 0 && Listed(fixed) == 0);
    CHECK(GetProcessHeaps(0, nullptr) == before);
    std::puts("lists of heaps: ok");
}

}  // namespace

int main() {
    OurBuffers();
    TheirBuffers();
    Lists();
    CHECK(HeapValidate(GetProcessHeap(), 0, nullptr));
    std::puts("done");
    return 0;
}

// Blocks from the system's other allocators, all of which lie on the process heap in the end, given
// to each other's functions where Windows allows it.
#include <windows.h>
#include <objbase.h>
#include <oleauto.h>

#include <cstring>
#include <vector>

#include "check.h"

namespace {

void Fixed() {
    const HANDLE heap = GetProcessHeap();
    void* block = LocalAlloc(LMEM_FIXED | LMEM_ZEROINIT, 100);
    CHECK(block != nullptr && LocalSize(block) == 100);
    block = LocalReAlloc(block, 20000, LMEM_MOVEABLE | LMEM_ZEROINIT);
    CHECK(block != nullptr && LocalSize(block) == 20000);
    CHECK(static_cast<char*>(block)[19999] == 0);
    CHECK(LocalFree(block) == nullptr);

    // A fixed block is a block of the process heap, either way round.
    CHECK(HeapFree(heap, 0, LocalAlloc(LMEM_FIXED, 50)));
    CHECK(HeapFree(heap, 0, GlobalAlloc(GMEM_FIXED, 60)));
    CHECK(LocalFree(HeapAlloc(heap, 0, 70)) == nullptr);
    CHECK(GlobalFree(HeapAlloc(heap, 0, 80)) == nullptr);
    std::puts("fixed: ok");
}

void Moveable() {
    std::vector<HGLOBAL> handles;
    for (SIZE_T size = 1; size < 100000; size = size * 2 + 3) {
        const HGLOBAL handle = GlobalAlloc(GMEM_MOVEABLE | GMEM_ZEROINIT, size);
        CHECK(handle != nullptr && GlobalSize(handle) >= size);
        auto* const text = static_cast<char*>(GlobalLock(handle));
        CHECK(text != nullptr && text[size - 1] == 0);
        CHECK(GlobalHandle(text) == handle);
        std::memset(text, 'm', size);
        GlobalUnlock(handle);
        handles.push_back(handle);
    }
    for (HGLOBAL& handle : handles) {
        const SIZE_T size = GlobalSize(handle);
        handle = GlobalReAlloc(handle, size * 3, GMEM_MOVEABLE | GMEM_ZEROINIT);
        CHECK(handle != nullptr);
        const auto* const text = static_cast<const char*>(GlobalLock(handle));
        CHECK(text[0] == 'm' && text[size * 3 - 1] == 0);
        GlobalUnlock(handle);
        CHECK(GlobalFlags(handle) == 0);
    }
    for (const HGLOBAL handle : handles) CHECK(GlobalFree(handle) == nullptr);
    const HLOCAL discarded = LocalAlloc(LMEM_MOVEABLE, 0);
    CHECK(discarded != nullptr && LocalFree(discarded) == nullptr);
    std::puts("moveable: ok");
}

void Messages() {
    wchar_t* text = nullptr;
    const DWORD length = FormatMessageW(
        FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS,
        nullptr, ERROR_ACCESS_DENIED, 0, reinterpret_cast<wchar_t*>(&text), 0, nullptr);
    CHECK(length > 0 && text != nullptr);
    CHECK(LocalFree(text) == nullptr);
    for (int i = 0; i < 50; ++i) {
        wchar_t name[32];
        swprintf(name, 32, L"STRATA_ENV_%d", i);
        CHECK(SetEnvironmentVariableW(name, name));
    }
    wchar_t* const block = GetEnvironmentStringsW();
    CHECK(block != nullptr && FreeEnvironmentStringsW(block));
    std::puts("messages and environment: ok");
}

void Com() {
    void* block = CoTaskMemAlloc(100);
    CHECK(block != nullptr);
    block = CoTaskMemRealloc(block, 5000);
    CHECK(block != nullptr);
    CoTaskMemFree(block);
    BSTR text = SysAllocString(L"a string of COM");
    CHECK(text != nullptr && SysStringLen(text) == 15);
    CHECK(SysReAllocString(&text, L"another one, which is longer than the first"));
    SysFreeString(text);
    std::puts("COM: ok");
}

}  // namespace

int main() {
    Fixed();
    Moveable();
    Messages();
    Com();
    CHECK(HeapValidate(GetProcessHeap(), 0, nullptr));
    std::puts("done");
    return 0;
}

// A program whose malloc is Strata's because it was linked that way (target strata::malloc). Says
// of each function who served it, and mixes in blocks that others made: the C runtime's own,
// HeapAlloc's.
//
//   linked_malloc                everything; prints the same in every run
//   linked_malloc double-free    frees a block twice
#include <windows.h>
#include <direct.h>
#include <errno.h>
#include <malloc.h>
#include <mbstring.h>
#include <strata/strata.h>
#include <string.h>
#include <wchar.h>

#include <cstdint>
#ifdef STRATA_WITH_NEW
#include <new>
#include <string>
#include <thread>
#include <vector>
#endif

#include "check.h"

#if defined(_UCRT) || defined(_MSC_VER)
#define STRATA_UNIVERSAL_RUNTIME 1
#endif

#if defined(_UCRT) && defined(__MINGW32__)
// What MinGW's headers leave out.
extern "C" {
__declspec(dllimport) void* _recalloc(void* block, size_t count, size_t size);
__declspec(dllimport) size_t _aligned_msize(void* block, size_t alignment, size_t offset);
__declspec(dllimport) void* _aligned_recalloc(void* block, size_t count, size_t size,
                                              size_t alignment);
__declspec(dllimport) void* _aligned_offset_recalloc(void* block, size_t count, size_t size,
                                                     size_t alignment, size_t offset);
}
#endif

namespace {

size_t volatile g_too_large = static_cast<size_t>(1) << 62;
size_t volatile g_half = SIZE_MAX / 2;

size_t LiveBlocks() {
    strata_statistics statistics = {};
    statistics.struct_size = sizeof statistics;
    CHECK(strata_get_statistics(&statistics) == 1);
    return statistics.live_blocks;
}

// `size` bytes that Strata counts; filled, so that a later function shows what it keeps.
template <typename Text>
Text* Served(const char* name, Text* block, size_t size) {
    CHECK(block != nullptr);
    std::printf("%s: %s\n", name, strata_owns(block) ? "Strata" : "another heap");
    CHECK(!strata_owns(block) || strata_requested_size(block) == size);
    return block;
}

// ---- each function ------------------------------------------------------------------------------

void Plain() {
    const size_t before = LiveBlocks();
    auto* block = static_cast<char*>(Served("malloc", malloc(100), 100));
    CHECK(LiveBlocks() == before + 1);
    strcpy(block, "kept");
    CHECK(_msize(block) == 100);
    block = static_cast<char*>(Served("realloc", realloc(block, 5000), 5000));
    CHECK(strcmp(block, "kept") == 0);
    CHECK(_expand(block, 4000) == block && _msize(block) == 4000);
    CHECK(realloc(block, 0) == nullptr && LiveBlocks() == before);
    block = static_cast<char*>(Served("calloc", calloc(7, 11), 77));
    for (int i = 0; i < 77; ++i) CHECK(block[i] == 0);
    free(block);
    free(Served("malloc(0)", malloc(0), 0));
    free(nullptr);
    CHECK(LiveBlocks() == before);
}

void Texts() {
    char* narrow = Served("_strdup", _strdup("text"), 5);
    CHECK(strcmp(narrow, "text") == 0 && _msize(narrow) == 5);
    free(narrow);
    free(Served("strdup", strdup("text"), 5));
    wchar_t* wide = Served("_wcsdup", _wcsdup(L"wide"), 10);
    CHECK(wcscmp(wide, L"wide") == 0);
    free(wide);
    const auto* bytes = reinterpret_cast<const unsigned char*>("bytes");
    free(Served("_mbsdup", _mbsdup(bytes), 6));
    CHECK(_strdup(nullptr) == nullptr);
}

void CheckAligned(const void* block, size_t alignment, size_t offset, size_t size) {
    CHECK((reinterpret_cast<uintptr_t>(block) + offset) % alignment == 0);
#ifdef STRATA_UNIVERSAL_RUNTIME
    CHECK(_aligned_msize(const_cast<void*>(block), alignment, offset) == size);
#else
    (void)size;
#endif
}

void Aligned() {
    const size_t before = LiveBlocks();
    for (size_t alignment = 1; alignment <= 65536; alignment *= 2) {
        auto* block = static_cast<char*>(_aligned_malloc(1000, alignment));
        CHECK(block != nullptr && strata_owns(block));
        CheckAligned(block, alignment, 0, 1000);
        memset(block, 'x', 1000);
        block = static_cast<char*>(_aligned_realloc(block, 70000, alignment));
        CHECK(block != nullptr && block[999] == 'x');
        CheckAligned(block, alignment, 0, 70000);
        _aligned_free(block);
        for (size_t offset = 1; offset < 900; offset += 100) {
            block = static_cast<char*>(_aligned_offset_malloc(1000, alignment, offset));
            CHECK(block != nullptr);
            CheckAligned(block, alignment, offset, 1000);
            memset(block, 'y', 1000);
            block = static_cast<char*>(_aligned_offset_realloc(block, 3000, alignment, offset));
            CHECK(block != nullptr && block[0] == 'y' && block[999] == 'y');
            CheckAligned(block, alignment, offset, 3000);
            memset(block, 'z', 3000);
            _aligned_free(block);
        }
    }
    CHECK(LiveBlocks() == before);
    errno = 0;
    CHECK(_aligned_malloc(10, 24) == nullptr && errno == EINVAL);
    CHECK(_aligned_offset_malloc(10, 16, 10) == nullptr);
    _aligned_free(nullptr);
    CHECK(_aligned_realloc(_aligned_malloc(10, 64), 0, 64) == nullptr);
    CHECK(LiveBlocks() == before);
    std::puts("aligned: Strata");
}

#ifdef STRATA_UNIVERSAL_RUNTIME
void Universal() {
    const size_t before = LiveBlocks();
    auto* block = static_cast<unsigned char*>(Served("_recalloc", _recalloc(nullptr, 3, 7), 21));
    memset(block, 0xa5, 21);
    block = static_cast<unsigned char*>(_recalloc(block, 5, 1000));
    for (int i = 0; i < 5000; ++i) CHECK(block[i] == (i < 21 ? 0xa5 : 0));
    errno = 0;
    CHECK(_recalloc(block, g_half, 3) == nullptr && errno == ENOMEM);
    free(block);
    block = static_cast<unsigned char*>(_aligned_malloc(50, 256));
    memset(block, 0xa5, 50);
    block = static_cast<unsigned char*>(_aligned_recalloc(block, 9, 100, 256));
    for (int i = 0; i < 900; ++i) CHECK(block[i] == (i < 50 ? 0xa5 : 0));
    _aligned_free(block);
    block = static_cast<unsigned char*>(_aligned_offset_malloc(50, 256, 9));
    memset(block, 0xa5, 50);
    block = static_cast<unsigned char*>(_aligned_offset_recalloc(block, 9, 100, 256, 9));
    for (int i = 0; i < 900; ++i) CHECK(block[i] == (i < 50 ? 0xa5 : 0));
    _aligned_free(block);
    CHECK(LiveBlocks() == before);
}
#endif

#ifdef STRATA_WITH_NEW
void Operators() {
    const size_t before = LiveBlocks();
    int* one = Served("new", new int(1), sizeof(int));
    char* many = Served("new[]", new char[123], 123);
    struct alignas(128) Wide {
        char bytes[256];
    };
    Wide* wide = new Wide;
    CHECK(reinterpret_cast<uintptr_t>(wide) % 128 == 0);
    std::printf("aligned new: %s\n", strata_owns(wide) ? "Strata" : "another heap");
    const std::string text(200, 's');
    std::printf("std::string: %s\n", strata_owns(text.data()) ? "Strata" : "another heap");
    delete wide;
    delete[] many;
    delete one;
    CHECK(LiveBlocks() == before + 1);  // the string's
}

void Threads() {
    const size_t before = LiveBlocks();
    std::vector<void*> blocks(1000);
    std::thread([&] {
        for (size_t i = 0; i < blocks.size(); ++i) blocks[i] = malloc(i);
    }).join();
    std::thread([&] {
        for (size_t i = 0; i < blocks.size(); ++i) {
            CHECK(_msize(blocks[i]) == i);
            free(blocks[i]);
        }
    }).join();
    // The blocks are gone; what the thread library keeps of its threads may be there.
    CHECK(LiveBlocks() < before + 50);
    std::puts("threads: Strata");
}
#endif

// ---- failures -----------------------------------------------------------------------------------

int g_handled = 0;
int __cdecl Handler(size_t size) {
    CHECK(size == g_too_large);
    return ++g_handled < 3 ? 1 : 0;  // try again, twice
}

template <typename Function>
Function FindInRuntime(const char* name) {
#ifdef STRATA_UNIVERSAL_RUNTIME
    const HMODULE runtime = GetModuleHandleA("ucrtbase.dll");
#else
    const HMODULE runtime = GetModuleHandleA("msvcrt.dll");
#endif
    return reinterpret_cast<Function>(reinterpret_cast<void*>(GetProcAddress(runtime, name)));
}

void Failures() {
    void* const block = malloc(40);
    errno = 0;
    CHECK(malloc(g_too_large) == nullptr && errno == ENOMEM);
    errno = 0;
    CHECK(calloc(g_half, 3) == nullptr && errno == ENOMEM);
    errno = 0;
    CHECK(realloc(block, g_too_large) == nullptr && errno == ENOMEM && _msize(block) == 40);
    errno = 0;
    CHECK(_expand(block, g_too_large) == nullptr && errno == ENOMEM);
    free(block);
    errno = 33;
    SetLastError(77);
    void* blocks[50];
    for (size_t i = 0; i < 50; ++i) blocks[i] = malloc(i * i * 1000 + 1);
    for (size_t i = 0; i < 50; ++i) blocks[i] = realloc(blocks[i], i * 7000 + 1);
    for (void* each : blocks) free(each);
    CHECK(errno == 33 && GetLastError() == 77);

    using SetHandler = void*(__cdecl*)(int(__cdecl*)(size_t));
    using SetMode = int(__cdecl*)(int);
    const auto set_handler = FindInRuntime<SetHandler>("?_set_new_handler@@YAP6AH_K@ZP6AH0@Z@Z");
    auto set_mode = FindInRuntime<SetMode>("_set_new_mode");
    if (set_mode == nullptr) set_mode = FindInRuntime<SetMode>("?_set_new_mode@@YAHH@Z");
    if (set_handler != nullptr && set_mode != nullptr) {
        set_handler(Handler);
        CHECK(malloc(g_too_large) == nullptr && g_handled == 0);
        set_mode(1);
        errno = 0;
        CHECK(malloc(g_too_large) == nullptr && errno == ENOMEM && g_handled == 3);
        set_mode(0);
        set_handler(nullptr);
    }
    std::puts("failures: as documented");
}

// ---- blocks of others ---------------------------------------------------------------------------

void Foreign() {
    const size_t before = LiveBlocks();
    // The runtime's DLL allocates these with its own malloc.
    auto* path = Served("_fullpath", _fullpath(nullptr, ".", 0), 0);
    CHECK(_msize(path) > strlen(path));
    path = static_cast<char*>(realloc(path, 5000));
    CHECK(path != nullptr && _msize(path) == 5000);
    free(path);
    free(Served("_getcwd", _getcwd(nullptr, 0), 0));
    wchar_t* const name = _wtempnam(nullptr, L"strata");
    CHECK(name != nullptr);
    free(Served("_wtempnam", name, 0));

    using Allocate = void*(__cdecl*)(size_t, size_t);
    const auto allocate = FindInRuntime<Allocate>("_aligned_malloc");
    CHECK(allocate != nullptr);
    void* aligned = Served("the DLL's _aligned_malloc", allocate(100, 64), 0);
    aligned = _aligned_realloc(aligned, 200, 64);
    CHECK(aligned != nullptr && !strata_owns(aligned));
    _aligned_free(aligned);

    const auto heap = reinterpret_cast<HANDLE>(_get_heap_handle());
    void* block = Served("HeapAlloc", HeapAlloc(heap, 0, 50), 0);
    CHECK(_msize(block) == 50);
    block = realloc(block, 60);
    CHECK(block != nullptr && HeapSize(heap, 0, block) == 60);
    CHECK(_expand(block, 10) == block);
    free(block);
    block = HeapAlloc(GetProcessHeap(), 0, 70);
    CHECK(block != nullptr && HeapFree(GetProcessHeap(), 0, block));
    void* const local = LocalAlloc(LMEM_FIXED, 80);
    CHECK(local != nullptr && LocalFree(local) == nullptr);
    CHECK(HeapValidate(heap, 0, nullptr) && LiveBlocks() == before);
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 2 && strcmp(arguments[1], "double-free") == 0) {
        void* const block = malloc(64);
        free(block);
        std::puts("before");
        std::fflush(stdout);
        free(block);
        return 0;
    }
    Plain();
    Texts();
    Aligned();
#ifdef STRATA_UNIVERSAL_RUNTIME
    Universal();
#endif
#ifdef STRATA_WITH_NEW
    Operators();
    Threads();
#endif
    Failures();
    Foreign();
    std::puts("done");
    return 0;
}

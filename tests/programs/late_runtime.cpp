// C runtimes that come and go: the program loads one that it does not import, uses it, and frees
// it, many times, while its own runtime goes on. The name of the DLL is the argument.
#include <windows.h>

#include <cstring>

#include "check.h"

namespace {

template <typename Function>
Function Find(HMODULE library, const char* name) {
    const FARPROC function = GetProcAddress(library, name);
    CHECK(function != nullptr);
    return reinterpret_cast<Function>(reinterpret_cast<void*>(function));
}

void Once(const char* name) {
    const HMODULE library = LoadLibraryA(name);
    CHECK(library != nullptr);
    const auto allocate = Find<void* (*)(size_t)>(library, "malloc");
    const auto resize = Find<void* (*)(void*, size_t)>(library, "realloc");
    const auto release = Find<void (*)(void*)>(library, "free");
    const auto measure = Find<size_t (*)(void*)>(library, "_msize");
    const auto duplicate = Find<char* (*)(const char*)>(library, "_strdup");
    for (size_t bytes = 1; bytes < 3000; bytes += 37) {
        auto* block = static_cast<char*>(allocate(bytes));
        CHECK(block != nullptr && measure(block) == bytes);
        std::memset(block, 'b', bytes);
        block = static_cast<char*>(resize(block, bytes * 2));
        CHECK(block != nullptr && measure(block) == bytes * 2 && block[bytes - 1] == 'b');
        release(block);
    }
    char* const text = duplicate("a text of the other runtime");
    CHECK(std::strcmp(text, "a text of the other runtime") == 0);
    release(text);
    void* const own = std::malloc(100);
    FreeLibrary(library);
    std::free(own);
}

}  // namespace

int main(int count, char** arguments) {
    CHECK(count == 2);
    for (int i = 0; i < 200; ++i) Once(arguments[1]);
    CHECK(HeapValidate(GetProcessHeap(), 0, nullptr));
    std::puts("loaded and freed 200 times");
    return 0;
}

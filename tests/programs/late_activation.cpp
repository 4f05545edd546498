// Blocks that are there before the override comes, and are resized, measured and freed after it:
// the program loads the DLL itself, with its path as the argument, when it has allocated already.
// With a second argument the DLL must decline, because another copy of it is active, and all goes
// on.
#include <windows.h>
#include <strata/override.h>

#include <cstring>
#include <string>
#include <vector>

#include "check.h"

namespace {

struct Kept {
    void* block;
    SIZE_T size;
};

std::vector<Kept> Allocate(HANDLE heap) {
    std::vector<Kept> kept;
    for (SIZE_T size = 0; size < 2000000; size = size * 2 + 5) {
        void* const block = HeapAlloc(heap, 0, size);
        std::memset(block, static_cast<int>(size), size);
        kept.push_back({block, size});
    }
    return kept;
}

void Use(HANDLE heap, std::vector<Kept>& kept) {
    for (size_t i = 0; i < kept.size(); ++i) {
        Kept& k = kept[i];
        CHECK(HeapValidate(heap, 0, k.block));
        CHECK(HeapSize(heap, 0, k.block) == k.size);
        if (i % 2 == 0) {
            auto* const block =
                static_cast<unsigned char*>(HeapReAlloc(heap, 0, k.block, k.size + 999));
            CHECK(block != nullptr && HeapSize(heap, 0, block) == k.size + 999);
            for (SIZE_T j = 0; j < k.size; ++j)
                CHECK(block[j] == static_cast<unsigned char>(k.size));
            k.block = block;
        }
        CHECK(HeapFree(heap, 0, k.block));
    }
}

}  // namespace

int main(int count, char** arguments) {
    CHECK(count == 2 || count == 3);
    const bool declines = count == 3;
    const HANDLE private_heap = HeapCreate(0, 0, 0);
    std::vector<Kept> process_blocks = Allocate(GetProcessHeap());
    std::vector<Kept> private_blocks = Allocate(private_heap);
    char* const text = _strdup("from before");
    const HGLOBAL moveable = GlobalAlloc(GMEM_MOVEABLE, 1000);
    std::string string(1000, 's');

    const HMODULE dll = LoadLibraryA(arguments[1]);
    CHECK(dll != nullptr);
    const auto status = reinterpret_cast<StrataOverrideStatusFunction*>(
        reinterpret_cast<void*>(GetProcAddress(dll, "StrataOverrideStatus")));
    CHECK(status != nullptr);
    StrataOverrideInfo info = {};
    info.size = sizeof info;
    CHECK(status(&info) == (declines ? STRATA_OVERRIDE_DECLINED : STRATA_OVERRIDE_ACTIVE));
    CHECK(info.state == static_cast<unsigned>(status(nullptr)));
    CHECK(declines ? info.redirected == 0 : info.redirected > 10 && info.reason[0] == 0);
    if (declines) std::puts(info.reason);

    Use(GetProcessHeap(), process_blocks);
    Use(private_heap, private_blocks);
    free(text);
    CHECK(GlobalFree(moveable) == nullptr);
    string.append(5000, 't');
    CHECK(_putenv("STRATA_LATE=1") == 0);

    std::vector<Kept> later = Allocate(GetProcessHeap());
    Use(GetProcessHeap(), later);
    later = Allocate(private_heap);  // a heap that the override has not seen being created
    Use(private_heap, later);
    CHECK(HeapDestroy(private_heap));
    FreeLibrary(dll);  // pinned, when it is active
    CHECK(declines || status(nullptr) == STRATA_OVERRIDE_ACTIVE);
    CHECK(HeapFree(GetProcessHeap(), 0, HeapAlloc(GetProcessHeap(), 0, 10)));
    std::puts("done");
    return 0;
}

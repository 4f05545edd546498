// Heaps of every kind, side by side: growing, fixed, executable, without serialisation; walked,
// locked, validated, destroyed with blocks in them.
#include <windows.h>

#include <cstring>
#include <initializer_list>
#include <vector>

#include "check.h"

namespace {

void Use(HANDLE heap, SIZE_T largest) {
    std::vector<void*> blocks;
    for (SIZE_T size = 0; size <= largest; size = size * 3 / 2 + 1) {
        void* const block = HeapAlloc(heap, 0, size);
        CHECK(block != nullptr);
        std::memset(block, 0x5a, size);
        CHECK(HeapSize(heap, 0, block) == size);
        blocks.push_back(block);
    }
    for (size_t i = 0; i < blocks.size(); i += 2) CHECK(HeapFree(heap, 0, blocks[i]));
    CHECK(HeapValidate(heap, 0, nullptr));
}

struct Walk {
    size_t regions = 0;
    size_t busy = 0;
    size_t other = 0;
    size_t found = 0;
};

// Walks the heap; counts how many of `blocks` it meets with their exact sizes.
Walk WalkHeap(HANDLE heap, const std::vector<std::pair<void*, SIZE_T>>& blocks) {
    Walk walk;
    PROCESS_HEAP_ENTRY entry = {};
    CHECK(HeapLock(heap));
    while (HeapWalk(heap, &entry)) {
        if ((entry.wFlags & PROCESS_HEAP_REGION) != 0) {
            ++walk.regions;
        } else if ((entry.wFlags & PROCESS_HEAP_ENTRY_BUSY) != 0) {
            ++walk.busy;
            for (const auto& [block, size] : blocks) {
                if (entry.lpData == block && entry.cbData == size) ++walk.found;
            }
        } else {
            ++walk.other;
        }
        CHECK(walk.regions + walk.busy + walk.other < 1000000);
    }
    CHECK(GetLastError() == ERROR_NO_MORE_ITEMS);
    CHECK(HeapUnlock(heap));
    return walk;
}

void Walks() {
    const HANDLE heap = HeapCreate(0, 0, 0);
    std::vector<std::pair<void*, SIZE_T>> blocks;
    for (SIZE_T size : {1, 16, 17, 100, 1000, 5000, 40000, 300000, 3000000}) {
        blocks.emplace_back(HeapAlloc(heap, 0, size), size);
    }
    const Walk walk = WalkHeap(heap, blocks);
    CHECK(walk.found == blocks.size());
    CHECK(walk.regions > 0);
    for (const auto& [block, size] : blocks) CHECK(HeapFree(heap, 0, block));
    const Walk after = WalkHeap(heap, blocks);
    CHECK(after.found == 0);
    CHECK(HeapDestroy(heap));
    std::puts("walked: every block found once");

    void* const block = HeapAlloc(GetProcessHeap(), 0, 12345);
    CHECK(WalkHeap(GetProcessHeap(), {{block, 12345}}).found == 1);
    HeapFree(GetProcessHeap(), 0, block);
}

DWORD WINAPI AllocateOnce(void* heap) {
    void* const block = HeapAlloc(heap, 0, 70000);
    CHECK(block != nullptr);
    HeapFree(heap, 0, block);
    return 0;
}

void Locks() {
    const HANDLE heap = HeapCreate(0, 0, 0);
    CHECK(HeapLock(heap));
    CHECK(HeapLock(heap));  // recursive
    void* const block = HeapAlloc(heap, 0, 10);
    const HANDLE thread = CreateThread(nullptr, 0, AllocateOnce, heap, 0, nullptr);
    Sleep(20);
    CHECK(HeapUnlock(heap));
    CHECK(HeapUnlock(heap));
    CHECK(WaitForSingleObject(thread, 10000) == WAIT_OBJECT_0);
    CloseHandle(thread);
    HeapFree(heap, 0, block);
    CHECK(HeapDestroy(heap));
    std::puts("locked: ok");
}

void Many() {
    std::vector<HANDLE> heaps;
    for (int i = 0; i < 600; ++i) {
        heaps.push_back(HeapCreate(i % 2 != 0 ? HEAP_NO_SERIALIZE : 0, 0, 0));
        CHECK(heaps.back() != nullptr);
        CHECK(HeapAlloc(heaps.back(), 0, static_cast<SIZE_T>(i) * 10) != nullptr);
    }
    for (int round = 0; round < 3; ++round) {
        for (size_t i = static_cast<size_t>(round); i < heaps.size(); i += 3) {
            CHECK(HeapDestroy(heaps[i]));
            heaps[i] = HeapCreate(0, 0, 0);
            CHECK(HeapAlloc(heaps[i], 0, 100) != nullptr);
        }
    }
    for (const HANDLE heap : heaps) CHECK(HeapDestroy(heap));
    std::puts("many heaps: ok");
}

void Kinds() {
    const HANDLE fixed = HeapCreate(0, 0, 0x100000);
    Use(fixed, 20000);
    CHECK(HeapAlloc(fixed, 0, 0x200000) == nullptr);
    CHECK(HeapDestroy(fixed));

    const HANDLE executable = HeapCreate(HEAP_CREATE_ENABLE_EXECUTE, 0, 0);
    Use(executable, 100000);
    auto* const code = static_cast<unsigned char*>(HeapAlloc(executable, 0, 16));
    const unsigned char body[] = {0xb8, 42, 0, 0, 0, 0xc3};  // mov eax, 42; ret
    std::memcpy(code, body, sizeof body);
    CHECK(reinterpret_cast<int (*)()>(reinterpret_cast<uintptr_t>(code))() == 42);
    CHECK(HeapDestroy(executable));

    const HANDLE growing = HeapCreate(HEAP_NO_SERIALIZE, 4096, 0);
    Use(growing, 10000000);
    ULONG mode = 2;  // the low-fragmentation heap; not every heap takes it
    HeapSetInformation(growing, HeapCompatibilityInformation, &mode, sizeof mode);
    HeapCompact(growing, 0);
    CHECK(HeapDestroy(growing));
    std::puts("fixed, executable and growing heaps: ok");
}

void Validates() {
    const HANDLE one = HeapCreate(0, 0, 0);
    const HANDLE other = HeapCreate(0, 0, 0);
    void* const block = HeapAlloc(one, 0, 100);
    SetLastError(4321);
    CHECK(HeapValidate(one, 0, block));
    CHECK(!HeapValidate(other, 0, block));
    CHECK(GetLastError() == 4321);
    HeapFree(one, 0, block);
    CHECK(!HeapValidate(one, 0, block));
    HeapDestroy(one);
    HeapDestroy(other);
    std::puts("validated: ok");
}

}  // namespace

int main() {
    Kinds();
    Walks();
    Locks();
    Many();
    Validates();
    std::puts("done");
    return 0;
}

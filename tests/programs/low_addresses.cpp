// What a JIT needs: memory whose addresses fit in 32 bits, after the heap has been used.
#include <windows.h>

#include <cstdint>
#include <cstdio>
#include <vector>

#include "check.h"

namespace {

using VirtualAlloc2Function = PVOID(WINAPI*)(HANDLE, PVOID, SIZE_T, ULONG, ULONG, void*, ULONG);

// As MEM_ADDRESS_REQUIREMENTS and MEM_EXTENDED_PARAMETER, which older headers lack.
struct Requirements {
    void* lowest;
    void* highest;
    size_t alignment;
};
struct Parameter {
    uint64_t type;
    void* pointer;
};

void* AllocateBelow(uintptr_t end, size_t bytes) {
    const auto virtual_alloc2 = reinterpret_cast<VirtualAlloc2Function>(reinterpret_cast<void*>(
        GetProcAddress(GetModuleHandleW(L"kernelbase.dll"), "VirtualAlloc2")));
    CHECK(virtual_alloc2 != nullptr);
    Requirements requirements = {nullptr, reinterpret_cast<void*>(end - 1), 0};
    Parameter parameter = {1, &requirements};  // MemExtendedParameterAddressRequirements
    return virtual_alloc2(nullptr, nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE,
                          &parameter, 1);
}

}  // namespace

int main() {
    std::vector<void*> blocks;
    for (SIZE_T size = 1; size < 40'000'000; size = size * 3 / 2 + 1) {
        blocks.push_back(HeapAlloc(GetProcessHeap(), 0, size));
        CHECK(blocks.back() != nullptr);
    }
    void* const code = AllocateBelow(0x20001000, size_t{64} << 20);
    std::printf("64 MiB below 0x20001000: %s\n", code != nullptr ? "yes" : "no");
    void* const data = AllocateBelow(0x80000000, size_t{256} << 20);
    std::printf("256 MiB below 2 GiB: %s\n", data != nullptr ? "yes" : "no");
    for (void* block : blocks) CHECK(HeapFree(GetProcessHeap(), 0, block));
    return 0;
}

// Strata leaves the addresses below 4 GiB to those who need them, as far as the process has others.
//
// Wine 8 hands out the lowest free addresses, to VirtualAlloc2 with a lowest address as well, of
// which it takes no notice; and it gives a program that is not linked for large addresses all of
// them. Windows does neither.
#include <windows.h>

#include <cstdint>
#include <cstdio>
#include <initializer_list>

#include <strata/heap_api.h>
#include <strata/strata.h>

#include "cases.h"

namespace strata::first_call {

namespace {

constexpr uintptr_t kLowEnd = uintptr_t{1} << 32;
constexpr size_t kMiB = size_t{1} << 20;

int g_failures = 0;

void Check(bool good, const char* what) {
    if (good) return;
    ++g_failures;
    std::printf("wrong: %s\n", what);
}

uintptr_t AddressOf(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

// One past the highest address of this process.
uintptr_t Limit() {
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    return AddressOf(system.lpMaximumApplicationAddress) + 1;
}

struct LowRanges {
    size_t private_bytes = 0;  // reserved or committed
    size_t longest = 0;        // of one reservation
};

LowRanges Look() {
    LowRanges result;
    const char* reservation = nullptr;
    size_t length = 0;
    MEMORY_BASIC_INFORMATION info;
    for (const char* at = nullptr; AddressOf(at) < kLowEnd; at += info.RegionSize) {
        if (VirtualQuery(at, &info, sizeof info) == 0) break;
        at = static_cast<const char*>(info.BaseAddress);
        if (info.State == MEM_FREE || info.Type != MEM_PRIVATE) continue;
        if (info.AllocationBase != reservation) length = 0;
        reservation = static_cast<const char*>(info.AllocationBase);
        length += info.RegionSize;
        result.private_bytes += info.RegionSize;
        if (length > result.longest) result.longest = length;
    }
    return result;
}

size_t Reserved() {
    strata_statistics statistics = {};
    statistics.struct_size = sizeof statistics;
    strata_get_statistics(&statistics);
    return statistics.reserved;
}

// A block of each kind of reservation, and whether it lies where it should. Keeps them all.
void UseEverything(bool high) {
    const auto check = [&](const void* block, const char* what) {
        Check(block != nullptr, what);
        Check(!high || AddressOf(block) >= kLowEnd, what);
    };
    check(strata_malloc(40), "a small block");
    check(strata_malloc(200'000), "a large block");
    check(strata_malloc(70 * kMiB), "a direct block");
    check(strata_aligned_alloc(16 * kMiB, 3 * kMiB), "an aligned block");
    for (int i = 0; i < 5; ++i) check(strata_malloc(25 * kMiB), "a block of another arena");
    for (const DWORD flags : {0, HEAP_CREATE_ENABLE_EXECUTE, HEAP_CREATE_HARDENED}) {
        for (const size_t maximum : {0 * kMiB, 1 * kMiB, 40 * kMiB}) {
            const HANDLE heap = StrataHeapCreate(flags, maximum != 0 ? 4096 : 2 * kMiB, maximum);
            check(StrataHeapAlloc(heap, 0, 100'000), "a block of a private heap");
        }
    }
    for (int i = 0; i < 1100; ++i) {  // more than one range of records
        if (StrataHeapCreate(0, 0, 0) == nullptr) Check(false, "many heaps");
    }
}

using VirtualAlloc2Function = PVOID(WINAPI*)(HANDLE, PVOID, SIZE_T, ULONG, ULONG, void*, ULONG);

// What a JIT does: 64 MiB below 0x20001000.
void AllocateLow() {
    const auto virtual_alloc2 = reinterpret_cast<VirtualAlloc2Function>(reinterpret_cast<void*>(
        GetProcAddress(GetModuleHandleW(L"kernelbase.dll"), "VirtualAlloc2")));
    if (virtual_alloc2 == nullptr) {
        std::printf("there is no VirtualAlloc2\n");
        return;
    }
    struct {
        void* lowest;
        void* highest;
        size_t alignment;
    } requirements = {nullptr, reinterpret_cast<void*>(uintptr_t{0x20000FFF}), 0};
    struct {
        uint64_t type;
        void* pointer;
    } parameter = {1, &requirements};  // MemExtendedParameterAddressRequirements
    const void* const low =
        virtual_alloc2(nullptr, nullptr, 64 * kMiB, MEM_RESERVE, PAGE_READWRITE, &parameter, 1);
    Check(low != nullptr, "VirtualAlloc2 with a highest address");
    Check(AddressOf(low) < 0x20000FFF, "its address");
}

}  // namespace

int Addresses() {
    const bool high = Limit() > kLowEnd;
    const LowRanges before = Look();
    Check(before.longest < 32 * kMiB, "a long reservation at the start");
    strata_free(strata_malloc(1));
    const size_t reserved = Reserved();
    std::printf("addresses end at %p; %zu MiB reserved by the first call\n",
                reinterpret_cast<void*>(Limit()), reserved / kMiB);
    AllocateLow();
    UseEverything(high);
    const LowRanges after = Look();
    std::printf("below 4 GiB: %zu KiB, then %zu KiB, 64 MiB of them the program's own\n",
                before.private_bytes / 1024, after.private_bytes / 1024);
    if (high) {
        // The C runtime may have needed something.
        Check(after.private_bytes <= before.private_bytes + 65 * kMiB, "reserved low");
    } else {
        Check(reserved < 256 * kMiB, "too much for so few addresses");
    }
    return g_failures == 0 ? 0 : 1;
}

}  // namespace strata::first_call

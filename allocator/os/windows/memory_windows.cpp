// VirtualAlloc and friends under the contract of os/memory.h.
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include <atomic>

#include "base/bits.h"
#include "base/constants.h"
#include "os/high_addresses.h"
#include "os/memory.h"
#include "os/process.h"
#include "os/random.h"
#include "os/windows/last_error_keeper.h"

namespace strata::os {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

DWORD ProtectionOf(Access access) noexcept {
    switch (access) {
        case Access::kNone:
            return PAGE_NOACCESS;
        case Access::kRead:
            return PAGE_READONLY;
        case Access::kReadWrite:
            return PAGE_READWRITE;
        case Access::kReadWriteExecute:
            return PAGE_EXECUTE_READWRITE;
    }
    return PAGE_NOACCESS;
}

// VirtualAlloc2 is there from Windows 10 1803 on, in kernelbase. The structures are those of
// winnt.h under names of our own, as older SDKs lack them.
struct AddressRequirements {
    PVOID lowest;
    PVOID highest;
    SIZE_T alignment;
};
struct alignas(8) ExtendedParameter {
    DWORD64 type;
    union {
        DWORD64 number;
        PVOID pointer;
    };
};
constexpr DWORD64 kParameterAddressRequirements = 1;
constexpr DWORD64 kParameterNumaNode = 2;
using VirtualAlloc2Fn = PVOID(WINAPI*)(HANDLE, PVOID, SIZE_T, ULONG, ULONG, ExtendedParameter*,
                                       ULONG);

// What PrepareMemory found. Several threads may store it; all store the same.
constinit std::atomic<VirtualAlloc2Fn> g_virtual_alloc2{nullptr};
constinit std::atomic<bool> g_several_nodes{false};

VirtualAlloc2Fn FindVirtualAlloc2() noexcept {
    const HMODULE module = GetModuleHandleW(L"kernelbase.dll");
    const FARPROC found = module != nullptr ? GetProcAddress(module, "VirtualAlloc2") : nullptr;
    return reinterpret_cast<VirtualAlloc2Fn>(reinterpret_cast<void*>(found));
}

// The page "MEM_ADDRESS_REQUIREMENTS": a lowest address is a multiple of the allocation
// granularity; none is given where the caller gives an address of his own.
void* ReserveWith(VirtualAlloc2Fn virtual_alloc2, const ReserveRequest& request,
                  uintptr_t lowest) noexcept {
    const bool aligned = request.alignment > kSliceSize;
    AddressRequirements requirements = {reinterpret_cast<void*>(lowest), nullptr,
                                        aligned ? request.alignment : 0};
    ExtendedParameter parameters[2] = {};
    ULONG count = 0;
    if (aligned || lowest != 0) {
        parameters[count].type = kParameterAddressRequirements;
        parameters[count++].pointer = &requirements;
    }
    if (request.node != kAnyNode) {
        parameters[count].type = kParameterNumaNode;
        parameters[count++].number = request.node;
    }
    return virtual_alloc2(nullptr, nullptr, request.bytes, MEM_RESERVE,
                          ProtectionOf(request.access), count != 0 ? parameters : nullptr, count);
}

void* ReserveAbove(const ReserveRequest& request, uintptr_t lowest) noexcept {
    const VirtualAlloc2Fn virtual_alloc2 = g_virtual_alloc2.load(kRelaxed);
    return virtual_alloc2 != nullptr ? ReserveWith(virtual_alloc2, request, lowest) : nullptr;
}

void ReleaseAt(void* address) noexcept { VirtualFree(address, 0, MEM_RELEASE); }

void* ReserveAt(const ReserveRequest& request, uintptr_t address) noexcept {
    void* const wanted = reinterpret_cast<void*>(address);
    const DWORD protection = ProtectionOf(request.access);
    void* const result = request.node == kAnyNode
                             ? VirtualAlloc(wanted, request.bytes, MEM_RESERVE, protection)
                             : VirtualAllocExNuma(GetCurrentProcess(), wanted, request.bytes,
                                                  MEM_RESERVE, protection, request.node);
    if (result == nullptr || result == wanted) return result;
    ReleaseAt(result);  // the address was rounded: not what was asked for
    return nullptr;
}

// Without VirtualAlloc2: reserves more, gives it back, and reserves the aligned part of it, before
// another thread does; that race is why it tries more than once.
void* ReserveAligned(const ReserveRequest& request) noexcept {
    constexpr int kTries = 8;
    const size_t more = request.bytes + request.alignment;
    for (int i = 0; i < kTries && more > request.bytes; ++i) {
        void* raw = VirtualAlloc(nullptr, more, MEM_RESERVE, ProtectionOf(request.access));
        if (raw == nullptr) return nullptr;
        ReleaseAt(raw);
        const uintptr_t aligned = RoundUp(AddressOf(raw), request.alignment);
        if (void* const result = ReserveAt(request, aligned)) return result;
    }
    return nullptr;
}

void* ReserveAnywhere(const ReserveRequest& request) noexcept {
    if (request.alignment > kSliceSize || request.node != kAnyNode) {
        if (void* result = ReserveAbove(request, 0)) return result;
    }
    if (request.alignment > kSliceSize) return ReserveAligned(request);
    return VirtualAlloc(nullptr, request.bytes, MEM_RESERVE, ProtectionOf(request.access));
}

AddressRange RangeOf(uintptr_t address) noexcept {
    MEMORY_BASIC_INFORMATION found;
    if (VirtualQuery(reinterpret_cast<void*>(address), &found, sizeof found) == 0) return {};
    return {AddressOf(found.BaseAddress) + found.RegionSize, found.State == MEM_FREE};
}

constexpr AddressCalls kAddressCalls = {&ReserveAbove, &ReserveAt, &ReserveAnywhere, &ReleaseAt,
                                        &RangeOf};
constinit HighAddresses g_high_addresses{kAddressCalls};

bool IsWritable(DWORD protection) noexcept {
    constexpr DWORD kWritable =
        PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
    return (protection & kWritable) != 0 && (protection & PAGE_GUARD) == 0;
}

}  // namespace

void PrepareMemory() noexcept {
    const LastErrorKeeper keeper;
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    ULONG highest = 0;
    g_several_nodes.store(GetNumaHighestNodeNumber(&highest) && highest != 0, kRelaxed);
    const VirtualAlloc2Fn virtual_alloc2 = FindVirtualAlloc2();
    g_virtual_alloc2.store(virtual_alloc2, kRelaxed);
    g_high_addresses.Use(AddressOf(system.lpMaximumApplicationAddress) + 1, Scramble(RandomBits()),
                         virtual_alloc2 != nullptr);
}

uintptr_t AddressLimit() noexcept { return g_high_addresses.limit(); }

uint32_t PreferredNumaNode() noexcept {
    if (!g_several_nodes.load(kRelaxed)) return kAnyNode;
    const LastErrorKeeper keeper;
    PROCESSOR_NUMBER processor;
    USHORT node = 0;
    GetCurrentProcessorNumberEx(&processor);
    return GetNumaProcessorNodeEx(&processor, &node) ? node : kAnyNode;
}

RangeInfo QueryRange(const void* address, size_t bytes) noexcept {
    const LastErrorKeeper keeper;
    RangeInfo info;
    const char* const begin = static_cast<const char*>(address);
    bool gap = false;
    for (size_t offset = 0; offset < bytes;) {
        MEMORY_BASIC_INFORMATION found;
        if (VirtualQuery(begin + offset, &found, sizeof found) == 0) return info;
        if (found.State == MEM_FREE) return info;
        const char* const end = static_cast<const char*>(found.BaseAddress) + found.RegionSize;
        const bool committed = found.State == MEM_COMMIT;
        if (committed && !IsWritable(found.Protect)) return info;
        gap = gap || !committed;
        offset = static_cast<size_t>(end - begin);
        if (!gap) info.committed = offset < bytes ? offset : bytes;
    }
    info.usable = true;
    return info;
}

void* SystemMemory::Reserve(const ReserveRequest& request) noexcept {
    const LastErrorKeeper keeper;
    if (request.address == nullptr) return g_high_addresses.Reserve(request);
    void* const result = ReserveAt(request, AddressOf(request.address));
    if (result != nullptr) g_high_addresses.Taken(result, request.bytes);
    return result;
}

bool SystemMemory::Commit(void* address, size_t bytes, Access access) noexcept {
    const LastErrorKeeper keeper;
    return VirtualAlloc(address, bytes, MEM_COMMIT, ProtectionOf(access)) != nullptr;
}

bool SystemMemory::Decommit(void* address, size_t bytes) noexcept {
    const LastErrorKeeper keeper;
    return VirtualFree(address, bytes, MEM_DECOMMIT) != 0;
}

bool SystemMemory::Release(void* address, size_t bytes) noexcept {
    const LastErrorKeeper keeper;
    if (!VirtualFree(address, 0, MEM_RELEASE)) return false;
    g_high_addresses.Released(address, bytes);
    return true;
}

bool SystemMemory::Protect(void* address, size_t bytes, Access access) noexcept {
    const LastErrorKeeper keeper;
    DWORD old = 0;
    return VirtualProtect(address, bytes, ProtectionOf(access), &old) != 0;
}

}  // namespace strata::os

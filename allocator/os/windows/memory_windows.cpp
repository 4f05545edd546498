// VirtualAlloc and friends under the contract of os/memory.h.
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include <atomic>

#include "base/bits.h"
#include "base/constants.h"
#include "os/memory.h"

namespace strata::os {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

class LastErrorKeeper {
public:
    LastErrorKeeper() noexcept : saved_(GetLastError()) {}
    ~LastErrorKeeper() { SetLastError(saved_); }
    LastErrorKeeper(const LastErrorKeeper&) = delete;
    LastErrorKeeper& operator=(const LastErrorKeeper&) = delete;

private:
    DWORD saved_;
};

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

void* ReserveWith(VirtualAlloc2Fn virtual_alloc2, const ReserveRequest& request) noexcept {
    AddressRequirements requirements = {nullptr, nullptr, request.alignment};
    ExtendedParameter parameters[2] = {};
    ULONG count = 0;
    if (request.alignment > kSliceSize && request.address == nullptr) {
        parameters[count].type = kParameterAddressRequirements;
        parameters[count++].pointer = &requirements;
    }
    if (request.node != kAnyNode) {
        parameters[count].type = kParameterNumaNode;
        parameters[count++].number = request.node;
    }
    return virtual_alloc2(nullptr, request.address, request.bytes, MEM_RESERVE,
                          ProtectionOf(request.access), count != 0 ? parameters : nullptr, count);
}

// Without VirtualAlloc2: reserves more, gives it back, and reserves the aligned part of it, before
// another thread does; that race is why it tries more than once.
void* ReserveAligned(size_t bytes, size_t alignment, DWORD protection) noexcept {
    constexpr int kTries = 8;
    for (int i = 0; i < kTries && bytes + alignment > bytes; ++i) {
        void* raw = VirtualAlloc(nullptr, bytes + alignment, MEM_RESERVE, protection);
        if (raw == nullptr) return nullptr;
        void* aligned = reinterpret_cast<void*>(RoundUp(AddressOf(raw), alignment));
        VirtualFree(raw, 0, MEM_RELEASE);
        void* result = VirtualAlloc(aligned, bytes, MEM_RESERVE, protection);
        if (result == aligned) return result;
        if (result != nullptr) VirtualFree(result, 0, MEM_RELEASE);
    }
    return nullptr;
}

void* ReserveAnywhere(const ReserveRequest& request) noexcept {
    if (request.alignment > kSliceSize || request.node != kAnyNode) {
        if (const VirtualAlloc2Fn virtual_alloc2 = g_virtual_alloc2.load(kRelaxed)) {
            if (void* result = ReserveWith(virtual_alloc2, request)) return result;
        }
    }
    const DWORD protection = ProtectionOf(request.access);
    if (request.alignment > kSliceSize) {
        return ReserveAligned(request.bytes, request.alignment, protection);
    }
    return VirtualAlloc(nullptr, request.bytes, MEM_RESERVE, protection);
}

bool IsWritable(DWORD protection) noexcept {
    constexpr DWORD kWritable =
        PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
    return (protection & kWritable) != 0 && (protection & PAGE_GUARD) == 0;
}

}  // namespace

void PrepareMemory() noexcept {
    const LastErrorKeeper keeper;
    ULONG highest = 0;
    g_several_nodes.store(GetNumaHighestNodeNumber(&highest) && highest != 0, kRelaxed);
    g_virtual_alloc2.store(FindVirtualAlloc2(), kRelaxed);
}

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
    if (request.address == nullptr) return ReserveAnywhere(request);
    void* result =
        VirtualAlloc(request.address, request.bytes, MEM_RESERVE, ProtectionOf(request.access));
    if (result != nullptr && result != request.address) {
        VirtualFree(result, 0, MEM_RELEASE);  // the address was rounded: not what was asked for
        return nullptr;
    }
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

bool SystemMemory::Release(void* address, size_t) noexcept {
    const LastErrorKeeper keeper;
    return VirtualFree(address, 0, MEM_RELEASE) != 0;
}

bool SystemMemory::Protect(void* address, size_t bytes, Access access) noexcept {
    const LastErrorKeeper keeper;
    DWORD old = 0;
    return VirtualProtect(address, bytes, ProtectionOf(access), &old) != 0;
}

}  // namespace strata::os

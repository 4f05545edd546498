// mmap and friends under the contract of os/memory.h. Reserved pages are PROT_NONE; committed pages
// are readable and writable; decommit drops the memory and the access.
#include <cerrno>
#include <sys/mman.h>

#include "base/bits.h"
#include "base/constants.h"
#include "os/memory.h"

namespace strata::os {

namespace {

class ErrnoKeeper {
public:
    ErrnoKeeper() noexcept : saved_(errno) {}
    ~ErrnoKeeper() { errno = saved_; }
    ErrnoKeeper(const ErrnoKeeper&) = delete;
    ErrnoKeeper& operator=(const ErrnoKeeper&) = delete;

private:
    int saved_;
};

int ProtectionOf(Access access) noexcept {
    switch (access) {
        case Access::kNone:
            return PROT_NONE;
        case Access::kRead:
            return PROT_READ;
        case Access::kReadWrite:
            return PROT_READ | PROT_WRITE;
        case Access::kReadWriteExecute:
            return PROT_READ | PROT_WRITE | PROT_EXEC;
    }
    return PROT_NONE;
}

void* Map(void* address, size_t bytes, int flags) noexcept {
    void* result =
        mmap(address, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
    return result == MAP_FAILED ? nullptr : result;
}

}  // namespace

void PrepareMemory() noexcept {}
uintptr_t AddressLimit() noexcept { return kAddressEnd; }
uint32_t PreferredNumaNode() noexcept { return kAnyNode; }

// There is no telling whether mapped pages can be written without reading a file: the caller is
// believed. All of a mapping counts as committed.
RangeInfo QueryRange(const void* address, size_t bytes) noexcept {
    const ErrnoKeeper keeper;
    RangeInfo info;
    unsigned char resident[64];
    for (size_t offset = 0; offset < bytes; offset += sizeof resident * kPageSize) {
        const size_t left = bytes - offset;
        const size_t most = sizeof resident * kPageSize;
        char* const from = static_cast<char*>(const_cast<void*>(address)) + offset;
        if (mincore(from, left < most ? left : most, resident) != 0) return info;
    }
    info.usable = true;
    info.committed = bytes;
    return info;
}

// Linux places mappings from the top of the user addresses downwards, or, in its old layout, from a
// third of them upwards: either way nothing comes to lie below 4 GiB that need not.
void* SystemMemory::Reserve(const ReserveRequest& request) noexcept {
    const ErrnoKeeper keeper;
    if (request.address != nullptr) {
        void* result = Map(request.address, request.bytes, MAP_FIXED_NOREPLACE);
        if (result == request.address) return result;
        if (result != nullptr) munmap(result, request.bytes);  // a kernel that ignores the flag
        return nullptr;
    }
    const size_t alignment = request.alignment > kPageSize ? request.alignment : kSliceSize;
    if (request.bytes + alignment < request.bytes) return nullptr;
    char* raw = static_cast<char*>(Map(nullptr, request.bytes + alignment, 0));
    if (raw == nullptr) return nullptr;
    const size_t head = RoundUp(AddressOf(raw), alignment) - AddressOf(raw);
    if (head != 0) munmap(raw, head);
    munmap(raw + head + request.bytes, alignment - head);
    return raw + head;
}

bool SystemMemory::Commit(void* address, size_t bytes, Access access) noexcept {
    const ErrnoKeeper keeper;
    return mprotect(address, bytes, ProtectionOf(access)) == 0;
}

bool SystemMemory::Decommit(void* address, size_t bytes) noexcept {
    const ErrnoKeeper keeper;
    return mmap(address, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
                -1, 0) == address;
}

bool SystemMemory::Release(void* address, size_t bytes) noexcept {
    const ErrnoKeeper keeper;
    return munmap(address, bytes) == 0;
}

bool SystemMemory::Protect(void* address, size_t bytes, Access access) noexcept {
    const ErrnoKeeper keeper;
    return mprotect(address, bytes, ProtectionOf(access)) == 0;
}

}  // namespace strata::os

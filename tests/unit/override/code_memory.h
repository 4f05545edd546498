// Memory for machine code that tests write themselves.
#pragma once

#include <cstring>
#include <initializer_list>

#include "override/near_memory.h"
#include "override/windows_api.h"

namespace strata::override {

// Writable and executable, which only a test may be; two blocks made one after the other lie within
// reach of each other when `near_to` says so.
class CodeMemory {
public:
    static constexpr size_t kBytes = 0x10000;

    explicit CodeMemory(const void* near_to = nullptr) {
        if (near_to == nullptr) {
            base_ = static_cast<uint8_t*>(
                VirtualAlloc(nullptr, kBytes, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE));
        } else {
            const auto address = reinterpret_cast<uintptr_t>(near_to);
            base_ = static_cast<uint8_t*>(AllocateNear(ReachOf(address, address + kBytes), address,
                                                       address + kBytes, kBytes));
            DWORD ignored;
            VirtualProtect(base_, kBytes, PAGE_EXECUTE_READWRITE, &ignored);
        }
        std::memset(base_, 0xcc, kBytes);
    }
    ~CodeMemory() { VirtualFree(base_, 0, MEM_RELEASE); }
    CodeMemory(const CodeMemory&) = delete;
    CodeMemory& operator=(const CodeMemory&) = delete;

    uint8_t* at(size_t offset = 0) const { return base_ + offset; }
    uint8_t* Write(size_t offset, std::initializer_list<int> bytes) const {
        uint8_t* to = base_ + offset;
        for (const int byte : bytes) *to++ = static_cast<uint8_t>(byte);
        return base_ + offset;
    }

private:
    uint8_t* base_;
};

}  // namespace strata::override

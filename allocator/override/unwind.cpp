#include "override/unwind.h"

#include <cstring>

#include "override/windows_api.h"

namespace strata::override {

namespace {

// Microsoft, "x64 exception handling": struct UNWIND_INFO and its codes.
enum Operation : uint8_t {
    kPushNonvolatile = 0,
    kAllocLarge = 1,
    kAllocSmall = 2,
    kSetFramePointer = 3,
    kSaveNonvolatile = 4,
    kSaveNonvolatileFar = 5,
    kEpilog = 6,  // version 2: where epilogs are
    kSaveXmm = 8,
    kSaveXmmFar = 9,
    kPushMachineFrame = 10,
};
constexpr uint8_t kVersionMask = 0x07;
constexpr uint8_t kChained = 0x04 << 3;

struct Header {
    uint8_t version_and_flags;
    uint8_t prolog_bytes;
    uint8_t codes;
    uint8_t frame;
};
struct Code {
    uint8_t offset;  // of the end of the instruction
    uint8_t operation_and_info;

    uint8_t operation() const noexcept { return operation_and_info & 0x0f; }
    uint8_t info() const noexcept { return operation_and_info >> 4; }
};
static_assert(sizeof(Header) == 4 && sizeof(Code) == 2);

// How many codes an operation takes; 0: it is not known.
size_t CodesOf(const Code& code) noexcept {
    switch (code.operation()) {
        case kPushNonvolatile:
        case kAllocSmall:
        case kSetFramePointer:
        case kEpilog:
        case kPushMachineFrame:
            return 1;
        case kAllocLarge:
            return code.info() == 0 ? 2 : 3;
        case kSaveNonvolatile:
        case kSaveXmm:
            return 2;
        case kSaveNonvolatileFar:
        case kSaveXmmFar:
            return 3;
        default:
            return 0;
    }
}

// Where the instruction that ends at `offset` of the entry ends in the trampoline; 0: it was not
// moved.
uint8_t Moved(const RelocatedEntry& relocated, uint8_t offset) noexcept {
    for (size_t i = 0; i < relocated.moved; ++i) {
        if (relocated.ends[i].entry == offset) return relocated.ends[i].trampoline;
    }
    return 0;
}

// The codes, which are in descending order of their offsets, as far as their instructions were
// moved.
bool CopyCodes(const Header& header, const Code* codes, const RelocatedEntry& relocated,
               Header& made, Code* copies) noexcept {
    for (size_t i = 0; i < header.codes;) {
        const size_t count = CodesOf(codes[i]);
        if (count == 0 || i + count > header.codes) return false;
        const uint8_t offset =
            codes[i].operation() == kEpilog ? uint8_t{0} : Moved(relocated, codes[i].offset);
        if (offset != 0) {
            if (made.codes + count > kMaxUnwindCodes) return false;
            memcpy(copies + made.codes, codes + i, count * sizeof(Code));
            copies[made.codes].offset = offset;
            if (offset > made.prolog_bytes) made.prolog_bytes = offset;
            if (codes[i].operation() == kSetFramePointer) made.frame = header.frame;
            made.codes = static_cast<uint8_t>(made.codes + count);
        }
        i += count;
    }
    return true;
}

}  // namespace

Unwinding DescribeTrampoline(const void* entry, const RelocatedEntry& relocated,
                             uint8_t* info) noexcept {
    DWORD64 base = 0;
    const auto address = reinterpret_cast<uintptr_t>(entry);
    const RUNTIME_FUNCTION* const function = RtlLookupFunctionEntry(address, &base, nullptr);
    if (function == nullptr) return Unwinding::kLeaf;
    // A part of a function, or the middle of one: not where functions are entered.
    if (base + function->BeginAddress != address || (function->UnwindData & 3) != 0) {
        return Unwinding::kUnknown;
    }
    const auto* const at = reinterpret_cast<const uint8_t*>(base + function->UnwindData);
    Header header;
    memcpy(&header, at, sizeof header);
    const uint8_t version = header.version_and_flags & kVersionMask;
    if ((version != 1 && version != 2) || (header.version_and_flags & kChained) != 0) {
        return Unwinding::kUnknown;
    }
    Header made = {1, 0, 0, 0};
    Code copies[kMaxUnwindCodes + 1] = {};
    const auto* const codes = reinterpret_cast<const Code*>(at + sizeof header);
    if (!CopyCodes(header, codes, relocated, made, copies)) return Unwinding::kUnknown;
    memcpy(info, &made, sizeof made);
    memcpy(info + sizeof made, copies, kMaxUnwindBytes - sizeof made);
    return Unwinding::kDescribed;
}

}  // namespace strata::override

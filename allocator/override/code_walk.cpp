#include "override/code_walk.h"

#include <cstring>

#include "override/code_patch.h"
#include "override/instruction.h"
#include "override/windows_api.h"

namespace strata::override {

namespace {

// Functions that allocate or free are much smaller.
constexpr size_t kMaxPieces = 512;
constexpr size_t kMaxInstructions = 16384;
constexpr int kMostJumps = 4;

class Walk {
public:
    Walk(const void* const* entries, size_t count) noexcept : entries_(entries), count_(count) {}

    bool From(const void* function) noexcept;
    uint64_t reached() const noexcept { return reached_; }

private:
    // Whether it is an entry, which is noted.
    bool Note(const uint8_t* at) noexcept;
    void NoteCall(const uint8_t* target) noexcept;
    // Code that is to be followed as well.
    bool Add(const uint8_t* at) noexcept;
    bool IsKnown(const uint8_t* at) const noexcept;
    bool FollowPiece(const uint8_t* at) noexcept;
    // How many bytes of the function's module can be read as code from here.
    size_t Readable(const uint8_t* at) noexcept;
    // The target of a branch; nullptr when it is not known before it runs, or lies in another
    // module.
    const uint8_t* TargetOf(const ZydisDecodedInstruction& instruction, const uint8_t* at) noexcept;

    const void* const* entries_;
    size_t count_;
    uint64_t reached_ = 0;
    Decoder decoder_;
    const uint8_t* pieces_[kMaxPieces];
    size_t known_ = 0;
    size_t instructions_ = 0;
    const void* module_ = nullptr;
    const uint8_t* begin_ = nullptr;  // the region that was found last
    size_t bytes_ = 0;
};

bool Walk::Note(const uint8_t* at) noexcept {
    for (size_t i = 0; i < count_; ++i) {
        if (entries_[i] != at) continue;
        reached_ |= uint64_t{1} << i;
        return true;
    }
    return false;
}

size_t Walk::Readable(const uint8_t* at) noexcept {
    if (static_cast<size_t>(at - begin_) < bytes_) return bytes_ - static_cast<size_t>(at - begin_);
    const size_t readable = ReadableCode(at);
    if (readable == 0) return 0;
    MEMORY_BASIC_INFORMATION information;
    if (VirtualQuery(at, &information, sizeof information) == 0) return 0;
    if (module_ == nullptr) module_ = information.AllocationBase;
    if (information.AllocationBase != module_) return 0;
    begin_ = static_cast<const uint8_t*>(information.BaseAddress);
    bytes_ = information.RegionSize;
    return readable;
}

const uint8_t* Walk::TargetOf(const ZydisDecodedInstruction& instruction,
                              const uint8_t* at) noexcept {
    const uint8_t* target = nullptr;
    if (IsRelativeBranch(instruction)) {
        target = reinterpret_cast<const uint8_t*>(BranchTarget(instruction, at));
    } else if (IsRipRelative(
                   instruction)) {  // through a pointer, as to what another module exports
        const void* const pointer = reinterpret_cast<const void*>(OperandOf(instruction, at));
        MEMORY_BASIC_INFORMATION information;
        if (VirtualQuery(pointer, &information, sizeof information) == 0 ||
            information.State != MEM_COMMIT || information.AllocationBase != module_) {
            return nullptr;
        }
        memcpy(&target, pointer, sizeof target);
    }
    return target != nullptr && Readable(target) != 0 ? target : nullptr;
}

bool Walk::IsKnown(const uint8_t* at) const noexcept {
    for (size_t i = 0; i < known_; ++i) {
        if (pieces_[i] == at) return true;
    }
    return false;
}

bool Walk::Add(const uint8_t* at) noexcept {
    if (Note(at) || IsKnown(at)) return true;
    if (known_ == kMaxPieces) return false;
    pieces_[known_++] = at;
    return true;
}

void Walk::NoteCall(const uint8_t* target) noexcept {
    for (int jumps = 0; target != nullptr && !Note(target) && jumps < kMostJumps; ++jumps) {
        ZydisDecodedInstruction instruction;
        if (!decoder_.Decode(target, Readable(target), instruction) || !IsJump(instruction)) return;
        target = TargetOf(instruction, target);
    }
}

bool Walk::FollowPiece(const uint8_t* at) noexcept {
    for (bool first = true;; first = false) {
        if (!first && (Note(at) || IsKnown(at))) return true;
        const size_t readable = Readable(at);
        ZydisDecodedInstruction instruction;
        if (readable == 0 || !decoder_.Decode(at, readable, instruction)) return false;
        if (++instructions_ > kMaxInstructions) return false;
        const bool jump = IsJump(instruction);
        if (jump || instruction.meta.category == ZYDIS_CATEGORY_COND_BR) {
            const uint8_t* const target = TargetOf(instruction, at);
            if (target != nullptr && !Add(target)) return false;
        } else if (instruction.meta.category == ZYDIS_CATEGORY_CALL) {
            NoteCall(TargetOf(instruction, at));
        }
        // What stands behind a call that does not return is a breakpoint, or padding.
        if (EndsFlow(instruction) || instruction.mnemonic == ZYDIS_MNEMONIC_INT3) return true;
        at += instruction.length;
    }
}

bool Walk::From(const void* function) noexcept {
    pieces_[known_++] = static_cast<const uint8_t*>(function);
    for (size_t i = 0; i < known_; ++i) {
        if (!FollowPiece(pieces_[i])) return false;
    }
    return true;
}

}  // namespace

bool ReachedEntries(const void* function, const void* const* entries, size_t count,
                    uint64_t& reached) noexcept {
    Walk walk(entries, count);
    const bool whole = walk.From(function);
    reached = walk.reached();
    return whole;
}

}  // namespace strata::override

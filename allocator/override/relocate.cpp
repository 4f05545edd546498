#include "override/relocate.h"

#include <cstring>
#include <initializer_list>

#include "override/instruction.h"

namespace strata::override {

namespace {

constexpr size_t kNearConditionalBytes = 6;  // 0f 8x rel32
constexpr size_t kNearCallBytes = 5;         // e8 rel32
constexpr size_t kCounterBranchBytes = 9;    // jrcxz +2; jmp +5; jmp rel32
// How far a body is followed. A compiler puts branches back to the first instruction but one only
// in small functions without a prologue.
constexpr size_t kMaxBodyBytes = 4096;

bool IsUnsafe(const ZydisDecodedInstruction& instruction) noexcept {
    switch (instruction.mnemonic) {
        case ZYDIS_MNEMONIC_INT3:  // a debugger's breakpoint hides the real instruction
        case ZYDIS_MNEMONIC_INT1:
        case ZYDIS_MNEMONIC_HLT:
        case ZYDIS_MNEMONIC_XBEGIN:
            return true;
        default:
            return (instruction.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED) != 0;
    }
}

uint64_t AddressOf(const uint8_t* code) noexcept { return reinterpret_cast<uintptr_t>(code); }

// Appends to a trampoline that will run at another address than where it is written.
class Emitter {
public:
    Emitter(RelocatedEntry& out, uint64_t address) noexcept : out_(out), address_(address) {
        out_.code_bytes = 0;
    }

    uint64_t Address() const noexcept { return address_ + out_.code_bytes; }
    bool HasRoom(size_t bytes) const noexcept {
        return out_.code_bytes + bytes <= kMaxTrampolineBytes;
    }
    uint8_t* Put(const void* code, size_t bytes) noexcept {
        uint8_t* const to = out_.code + out_.code_bytes;
        memcpy(to, code, bytes);
        out_.code_bytes += bytes;
        return to;
    }
    void PutByte(uint8_t value) noexcept { out_.code[out_.code_bytes++] = value; }
    // The last four bytes of an instruction: `target` relative to what follows.
    bool PutRelative(uint64_t target) noexcept {
        if (!InReach(Address() + 4, target)) return false;
        const auto distance = static_cast<int32_t>(target - (Address() + 4));
        Put(&distance, sizeof distance);
        return true;
    }

private:
    RelocatedEntry& out_;
    uint64_t address_;
};

Refusal RelocateBranch(const ZydisDecodedInstruction& instruction, const uint8_t* at,
                       Emitter& emitter) noexcept {
    const uint64_t target = BranchTarget(instruction, at);
    bool reached = false;
    switch (instruction.meta.category) {
        case ZYDIS_CATEGORY_CALL:
            if (!emitter.HasRoom(kNearCallBytes)) return Refusal::kOutOfReach;
            emitter.PutByte(0xe8);
            reached = emitter.PutRelative(target);
            break;
        case ZYDIS_CATEGORY_UNCOND_BR:
            if (!IsJump(instruction)) return Refusal::kUnsafeInstruction;
            if (!emitter.HasRoom(kNearJumpBytes)) return Refusal::kOutOfReach;
            emitter.PutByte(0xe9);
            reached = emitter.PutRelative(target);
            break;
        case ZYDIS_CATEGORY_COND_BR: {
            // One-byte opcodes 70 to 7f and two-byte opcodes 0f 80 to 0f 8f have the condition in
            // the low four bits; e0 to e3 (loop, jrcxz) know a one-byte distance only.
            const bool counter =
                instruction.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && instruction.opcode >= 0xe0;
            if (counter) {
                if (!emitter.HasRoom(kCounterBranchBytes)) return Refusal::kOutOfReach;
                emitter.Put(at, static_cast<size_t>(instruction.length - 1));
                const uint8_t over[] = {2, 0xeb, kNearJumpBytes, 0xe9};
                emitter.Put(over, sizeof over);
            } else {
                if (!emitter.HasRoom(kNearConditionalBytes)) return Refusal::kOutOfReach;
                emitter.PutByte(0x0f);
                emitter.PutByte(static_cast<uint8_t>(0x80 | (instruction.opcode & 0x0f)));
            }
            reached = emitter.PutRelative(target);
            break;
        }
        default:
            return Refusal::kUnsafeInstruction;
    }
    return reached ? Refusal::kNone : Refusal::kOutOfReach;
}

Refusal RelocateOne(const ZydisDecodedInstruction& instruction, const uint8_t* at,
                    Emitter& emitter) noexcept {
    if (IsRelativeBranch(instruction)) return RelocateBranch(instruction, at, emitter);
    if (!emitter.HasRoom(instruction.length)) return Refusal::kOutOfReach;
    const uint64_t next = emitter.Address() + instruction.length;
    uint8_t* const copy = emitter.Put(at, instruction.length);
    if (!IsRipRelative(instruction)) return Refusal::kNone;
    const uint64_t target = OperandOf(instruction, at);
    // An address-size prefix cuts the sum to 32 bits, so that it means something else elsewhere.
    if (instruction.address_width != 64) return Refusal::kUnsafeInstruction;
    if (!InReach(next, target)) return Refusal::kOutOfReach;
    const auto distance = static_cast<int32_t>(target - next);
    memcpy(copy + instruction.raw.disp.offset, &distance, sizeof distance);
    return Refusal::kNone;
}

// What linkers put between functions: int3, or no-operations.
bool IsPadding(const Decoder& decoder, const uint8_t* from, const uint8_t* to,
               const uint8_t* end) noexcept {
    while (from < to) {
        ZydisDecodedInstruction instruction;
        if (!decoder.Decode(from, static_cast<size_t>(end - from), instruction)) return false;
        if (instruction.mnemonic != ZYDIS_MNEMONIC_INT3 &&
            instruction.mnemonic != ZYDIS_MNEMONIC_NOP) {
            return false;
        }
        from += instruction.length;
    }
    return true;
}

}  // namespace

const char* RefusalText(Refusal refusal) noexcept {
    switch (refusal) {
        case Refusal::kNone:
            return "nothing is wrong";
        case Refusal::kAlreadyRedirected:
            return "its entry is a jump already";
        case Refusal::kUnknownInstruction:
            return "its entry has an unknown instruction";
        case Refusal::kUnsafeInstruction:
            return "its entry has an instruction that cannot be moved";
        case Refusal::kTooShort:
            return "it is shorter than a jump";
        case Refusal::kBranchIntoEntry:
            return "a branch leads into its first bytes";
        case Refusal::kOutOfReach:
            return "an operand cannot reach its target from elsewhere";
        case Refusal::kNotCode:
            return "it is not in executable memory";
        case Refusal::kCallInEntry:
            return "a call stands in its first bytes, and it has no unwind data";
        case Refusal::kLeadsBack:
            return "it may come back to another redirected function of its kind for ever";
        case Refusal::kOverlap:
            return "it shares its first bytes with another function";
        case Refusal::kNoMemoryNear:
            return "no memory is free within reach of it";
        case Refusal::kProtect:
            return "the system does not let its code be written";
        case Refusal::kWrite:
            return "its code changed while it was being redirected";
        case Refusal::kThreadInside:
            return "another thread stayed inside the bytes that are to be overwritten";
        case Refusal::kThreads:
            return "the other threads cannot be held while code is written";
        case Refusal::kInjectedFault:
            return "a test injected a fault";
    }
    return "unknown";
}

size_t EmitFarJump(uint8_t* code, uint64_t target) noexcept {
    const uint8_t opcode[] = {0xff, 0x25, 0, 0, 0, 0};
    memcpy(code, opcode, sizeof opcode);
    memcpy(code + sizeof opcode, &target, sizeof target);
    return kFarJumpBytes;
}

size_t EmitJump(uint8_t* code, uint64_t address, uint64_t target) noexcept {
    if (!InReach(address + kNearJumpBytes, target)) return EmitFarJump(code, target);
    const auto distance = static_cast<int32_t>(target - (address + kNearJumpBytes));
    code[0] = 0xe9;
    memcpy(code + 1, &distance, sizeof distance);
    return kNearJumpBytes;
}

namespace {

// The end of a trampoline; `code` has room for a far jump.
size_t EmitJumpBack(uint8_t* code, uint64_t address, uint64_t target) noexcept {
    const uint64_t first = address + kNearConditionalBytes;
    const uint64_t second = first + kNearConditionalBytes;
    if (!InReach(first, target) || !InReach(second, target)) return EmitFarJump(code, target);
    for (const uint64_t from : {first, second}) {  // jo, jno
        const auto distance = static_cast<int32_t>(target - from);
        code[0] = 0x0f;
        code[1] = from == first ? 0x80 : 0x81;
        memcpy(code + 2, &distance, sizeof distance);
        code += kNearConditionalBytes;
    }
    return 2 * kNearConditionalBytes;
}

}  // namespace

Refusal RelocateEntry(const uint8_t* entry, size_t readable_bytes, size_t patch_bytes,
                      uint64_t address, RelocatedEntry& relocated, FirstJump first) noexcept {
    const Decoder decoder;
    Emitter emitter(relocated, address);
    const uint8_t* const end = entry + readable_bytes;
    const uint8_t* at = entry;
    relocated.covered_bytes = 0;
    relocated.has_call = false;
    relocated.moved = 0;
    while (at < entry + patch_bytes) {
        ZydisDecodedInstruction instruction;
        if (at >= end || !decoder.Decode(at, static_cast<size_t>(end - at), instruction)) {
            return Refusal::kUnknownInstruction;
        }
        if (at == entry && IsJump(instruction) && first == FirstJump::kRefused) {
            return Refusal::kAlreadyRedirected;
        }
        if (IsUnsafe(instruction)) return Refusal::kUnsafeInstruction;
        if (IsRelativeBranch(instruction)) {
            const uint64_t offset = BranchTarget(instruction, at) - AddressOf(entry);
            if (offset > 0 && offset < patch_bytes) return Refusal::kBranchIntoEntry;
        }
        if (const Refusal refusal = RelocateOne(instruction, at, emitter);
            refusal != Refusal::kNone) {
            return refusal;
        }
        at += instruction.length;
        relocated.ends[relocated.moved++] = {static_cast<uint8_t>(at - entry),
                                             static_cast<uint8_t>(relocated.code_bytes)};
        if (instruction.meta.category == ZYDIS_CATEGORY_CALL) {
            relocated.has_call = true;
            // Threads that are in what it calls would return into the jump.
            if (at < entry + patch_bytes) return Refusal::kUnsafeInstruction;
        }
        if (EndsFlow(instruction)) {
            if (!IsPadding(decoder, at, entry + patch_bytes, end)) return Refusal::kTooShort;
            relocated.covered_bytes = static_cast<size_t>(at - entry);
            return Refusal::kNone;
        }
    }
    // A branch into an instruction that moved, behind the patch, would still find it in its place:
    // only the first patch_bytes bytes are overwritten.
    if (!emitter.HasRoom(kFarJumpBytes)) return Refusal::kOutOfReach;
    relocated.code_bytes +=
        EmitJumpBack(relocated.code + relocated.code_bytes, emitter.Address(), AddressOf(at));
    relocated.covered_bytes = static_cast<size_t>(at - entry);
    return Refusal::kNone;
}

bool HasBranchIntoEntry(const uint8_t* entry, size_t readable_bytes, size_t patch_bytes) noexcept {
    const Decoder decoder;
    const size_t body = readable_bytes < kMaxBodyBytes ? readable_bytes : kMaxBodyBytes;
    const uint8_t* const end = entry + body;
    const uint8_t* furthest = entry;  // the furthest target of a forward branch
    for (const uint8_t* at = entry; at < end;) {
        ZydisDecodedInstruction instruction;
        if (!decoder.Decode(at, static_cast<size_t>(end - at), instruction)) return false;
        if (IsRelativeBranch(instruction) && instruction.meta.category != ZYDIS_CATEGORY_CALL) {
            const uint64_t target = BranchTarget(instruction, at);
            const uint64_t offset = target - AddressOf(entry);
            if (offset > 0 && offset < patch_bytes) return true;
            if (offset < body && target > AddressOf(furthest)) furthest = entry + offset;
        }
        at += instruction.length;
        if (EndsFlow(instruction) && at > furthest) return false;
    }
    return false;
}

}  // namespace strata::override

// Fuzzes the relocation of instructions: whatever the bytes of a function's entry, it is refused,
// or what is made of it does the same elsewhere: the same instructions, with every relative operand
// leading to the same place; and nothing behind the readable bytes is looked at.
//
// Input: 1 byte for the bytes to be overwritten, 4 for the distance of the trampoline; the rest is
// code.
#include <Zydis/Zydis.h>

#include <cstring>
#include <memory>

#include "input.h"
#include "override/relocate.h"

namespace {

using namespace strata::override;

struct Instruction {
    ZydisDecodedInstruction decoded;
    uint64_t next;  // address behind it
    uint64_t Target() const { return next + static_cast<uint64_t>(decoded.raw.imm[0].value.s); }
    bool IsBranch() const { return decoded.raw.imm[0].is_relative; }
    bool IsRipRelative() const {
        return (decoded.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0 && decoded.raw.modrm.mod == 0 &&
               decoded.raw.modrm.rm == 5;
    }
};

// The instructions at `code`, which run at `address`.
class Reader {
public:
    Reader(const uint8_t* code, size_t bytes, uint64_t address)
        : code_(code), end_(code + bytes), address_(address) {
        ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    }
    const uint8_t* at() const { return code_; }
    Instruction Next() {
        Instruction instruction;
        ZydisDecoderContext context;
        FUZZ_CHECK(ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(
            &decoder_, &context, code_, static_cast<size_t>(end_ - code_), &instruction.decoded)));
        code_ += instruction.decoded.length;
        address_ += instruction.decoded.length;
        instruction.next = address_;
        return instruction;
    }

private:
    ZydisDecoder decoder_;
    const uint8_t* code_;
    const uint8_t* end_;
    uint64_t address_;
};

void CheckBranch(const Instruction& original, Reader& copy) {
    const Instruction moved = copy.Next();
    FUZZ_CHECK(moved.IsBranch());
    FUZZ_CHECK(moved.decoded.mnemonic == original.decoded.mnemonic);
    const bool counter = original.decoded.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
                         original.decoded.opcode >= 0xe0 && original.decoded.opcode <= 0xe3;
    if (!counter) {
        FUZZ_CHECK(moved.Target() == original.Target());
        return;
    }
    // Over a jump that is not taken, to the one that is.
    const Instruction over = copy.Next();
    const Instruction jump = copy.Next();
    FUZZ_CHECK(over.decoded.mnemonic == ZYDIS_MNEMONIC_JMP && over.Target() == jump.next);
    FUZZ_CHECK(moved.Target() == over.next);
    FUZZ_CHECK(jump.decoded.mnemonic == ZYDIS_MNEMONIC_JMP && jump.Target() == original.Target());
}

void CheckCopy(const Instruction& original, const uint8_t* at, Reader& copy) {
    const uint8_t* const moved_at = copy.at();
    const Instruction moved = copy.Next();
    FUZZ_CHECK(moved.decoded.length == original.decoded.length);
    FUZZ_CHECK(moved.decoded.mnemonic == original.decoded.mnemonic);
    const auto from = original.IsRipRelative() ? original.decoded.raw.disp.offset : uint8_t{0};
    for (uint8_t i = 0; i < original.decoded.length; ++i) {
        if (original.IsRipRelative() && i >= from && i < from + 4) continue;
        FUZZ_CHECK(moved_at[i] == at[i]);
    }
    if (!original.IsRipRelative()) return;
    FUZZ_CHECK(moved.next + static_cast<uint64_t>(moved.decoded.raw.disp.value) ==
               original.next + static_cast<uint64_t>(original.decoded.raw.disp.value));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
    if (size < 6) return 0;
    const size_t patch_bytes = 1 + bytes[0] % kFarJumpBytes;
    int32_t distance;
    std::memcpy(&distance, bytes + 1, sizeof distance);
    const size_t readable = size - 5;
    // Exactly as many bytes as are readable.
    const std::unique_ptr<uint8_t[]> entry(new uint8_t[readable]);
    std::memcpy(entry.get(), bytes + 5, readable);
    const auto from = reinterpret_cast<uintptr_t>(entry.get());
    const uint64_t address = from + static_cast<uint64_t>(int64_t{distance});
    HasBranchIntoEntry(entry.get(), readable, patch_bytes);
    RelocatedEntry relocated;
    const Refusal refusal = RelocateEntry(entry.get(), readable, patch_bytes, address, relocated);
    FUZZ_CHECK(RefusalText(refusal)[0] != 0);
    if (refusal != Refusal::kNone) return 0;
    FUZZ_CHECK(relocated.code_bytes <= kMaxTrampolineBytes);
    FUZZ_CHECK(relocated.covered_bytes <= readable);
    Reader original(entry.get(), relocated.covered_bytes, from);
    Reader copy(relocated.code, relocated.code_bytes, address);
    while (original.at() < entry.get() + relocated.covered_bytes) {
        const uint8_t* const at = original.at();
        const Instruction instruction = original.Next();
        if (instruction.IsBranch()) {
            CheckBranch(instruction, copy);
        } else {
            CheckCopy(instruction, at, copy);
        }
    }
    // Then it goes on behind what was copied, unless that ended the function.
    if (copy.at() == relocated.code + relocated.code_bytes) return 0;
    FUZZ_CHECK(relocated.covered_bytes >= patch_bytes);
    const uint8_t* const jump_at = copy.at();
    const Instruction jump = copy.Next();
    const uint64_t behind = from + relocated.covered_bytes;
    if (jump.IsBranch()) {  // jo and jno, of which one is taken
        const Instruction second = copy.Next();
        FUZZ_CHECK(jump.decoded.mnemonic == ZYDIS_MNEMONIC_JO && jump.Target() == behind);
        FUZZ_CHECK(second.decoded.mnemonic == ZYDIS_MNEMONIC_JNO && second.Target() == behind);
        return 0;
    }
    uint64_t target = 0;
    std::memcpy(&target, jump_at + 6, sizeof target);
    FUZZ_CHECK(jump.decoded.mnemonic == ZYDIS_MNEMONIC_JMP && target == behind);
    return 0;
}

// What is asked of a machine instruction here. Decoding is Zydis's.
#pragma once

#include <Zydis/Zydis.h>

#include <cstddef>
#include <cstdint>

namespace strata::override {

class Decoder {
public:
    Decoder() noexcept {
        ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    }
    bool Decode(const uint8_t* code, size_t bytes, ZydisDecodedInstruction& out) const noexcept {
        ZydisDecoderContext context;
        return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder_, &context, code, bytes, &out));
    }

private:
    ZydisDecoder decoder_;
};

inline bool IsRelativeBranch(const ZydisDecodedInstruction& instruction) noexcept {
    return instruction.raw.imm[0].is_relative;
}

// A memory operand relative to the next instruction: mod 0, r/m 5 in 64-bit mode.
inline bool IsRipRelative(const ZydisDecodedInstruction& instruction) noexcept {
    return (instruction.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0 &&
           instruction.raw.modrm.mod == 0 && instruction.raw.modrm.rm == 5;
}

inline bool IsJump(const ZydisDecodedInstruction& instruction) noexcept {
    return instruction.mnemonic == ZYDIS_MNEMONIC_JMP;
}

// Execution does not continue behind it.
inline bool EndsFlow(const ZydisDecodedInstruction& instruction) noexcept {
    switch (instruction.mnemonic) {
        case ZYDIS_MNEMONIC_JMP:
        case ZYDIS_MNEMONIC_RET:
        case ZYDIS_MNEMONIC_IRET:
        case ZYDIS_MNEMONIC_IRETD:
        case ZYDIS_MNEMONIC_IRETQ:
        case ZYDIS_MNEMONIC_UD0:
        case ZYDIS_MNEMONIC_UD1:
        case ZYDIS_MNEMONIC_UD2:
            return true;
        case ZYDIS_MNEMONIC_INT:  // int 0x29: fail fast
            return instruction.raw.imm[0].value.u == 0x29;
        default:
            return false;
    }
}

// Where a relative branch at `at` leads.
inline uint64_t BranchTarget(const ZydisDecodedInstruction& instruction,
                             const uint8_t* at) noexcept {
    return reinterpret_cast<uintptr_t>(at) + instruction.length +
           static_cast<uint64_t>(instruction.raw.imm[0].value.s);
}

// What a RIP-relative operand at `at` names.
inline uint64_t OperandOf(const ZydisDecodedInstruction& instruction, const uint8_t* at) noexcept {
    return reinterpret_cast<uintptr_t>(at) + instruction.length +
           static_cast<uint64_t>(instruction.raw.disp.value);
}

}  // namespace strata::override

// What the redirect engine makes of a module: the exported functions, their trampolines, and a
// judge of each trampoline that knows nothing of how it was made.
#pragma once

#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>
#include <string>

#include "override/module_image.h"
#include "override/near_memory.h"
#include "override/redirect.h"
#include "override/relocate.h"
#include "override/windows_api.h"

namespace strata::override {

inline uint64_t AddressOf(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

inline ModuleImage Load(const wchar_t* name) { return ImageAt(LoadLibraryW(name)); }

// The exported functions, without forwarders; each address once.
inline std::set<const uint8_t*> FunctionsOf(const ModuleImage& image) {
    const auto base = image.begin;
    const auto* const dos = reinterpret_cast<const IMAGE_DOS_HEADER*>(base);
    const auto* const headers =
        reinterpret_cast<const IMAGE_NT_HEADERS64*>(base + static_cast<size_t>(dos->e_lfanew));
    const IMAGE_DATA_DIRECTORY& directory = headers->OptionalHeader.DataDirectory[0];
    const auto* const table =
        reinterpret_cast<const IMAGE_EXPORT_DIRECTORY*>(base + directory.VirtualAddress);
    const auto* const functions = reinterpret_cast<const DWORD*>(base + table->AddressOfFunctions);
    std::set<const uint8_t*> found;
    for (DWORD i = 0; i < table->NumberOfFunctions; ++i) {
        const DWORD rva = functions[i];
        const bool forwarder =
            rva >= directory.VirtualAddress && rva - directory.VirtualAddress < directory.Size;
        if (rva != 0 && !forwarder) found.insert(reinterpret_cast<const uint8_t*>(base + rva));
    }
    return found;
}

struct Instruction {
    ZydisDecodedInstruction decoded;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

inline bool Decode(const uint8_t* at, Instruction& out) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, at, ZYDIS_MAX_INSTRUCTION_LENGTH,
                                               &out.decoded, out.operands));
}

// Where its relative operand leads, whatever instruction it is; 0: it has none.
inline uint64_t TargetOf(const Instruction& instruction, uint64_t address) {
    for (size_t i = 0; i < instruction.decoded.operand_count; ++i) {
        const ZydisDecodedOperand& operand = instruction.operands[i];
        const bool relative =
            (operand.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operand.imm.is_relative) ||
            (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.mem.base == ZYDIS_REGISTER_RIP);
        ZyanU64 target = 0;
        if (relative && ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&instruction.decoded, &operand,
                                                              address, &target))) {
            return target;
        }
    }
    return 0;
}

// jrcxz and loop know one-byte distances only: three instructions stand for one.
inline bool IsCounterBranch(const Instruction& instruction) {
    return instruction.decoded.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
           instruction.decoded.opcode >= 0xe0 && instruction.decoded.opcode <= 0xe3;
}

// A trampoline, walked beside the function it stands for. `problem` says what is wrong with it.
class Comparison {
public:
    Comparison(const uint8_t* entry, const uint8_t* trampoline, const RelocatedEntry& relocated)
        : a_(entry),
          b_(trampoline),
          end_a_(entry + relocated.covered_bytes),
          end_b_(trampoline + relocated.code_bytes) {}

    std::string Problem() {
        while (a_ < end_a_) {
            if (b_ >= end_b_) return "the trampoline is too short";
            if (!Decode(a_, one_) || !Decode(b_, other_)) return "an instruction cannot be decoded";
            if (one_.decoded.mnemonic != other_.decoded.mnemonic) return "another instruction";
            const std::string problem = IsCounterBranch(one_) ? Counter() : Same();
            if (!problem.empty()) return problem;
        }
        if (a_ != end_a_) return "half an instruction is covered";
        return b_ == end_b_ ? EndsByItself() : JumpsBack();
    }

private:
    std::string Same() {
        const uint64_t target = TargetOf(one_, AddressOf(a_));
        if (target != TargetOf(other_, AddressOf(b_))) return "an operand leads elsewhere";
        if (target == 0 || one_.decoded.raw.disp.size != 0) {
            // All bytes are the same but those of the displacement, where it is relative.
            if (one_.decoded.length != other_.decoded.length) return "another length";
            for (size_t i = 0; i < one_.decoded.length; ++i) {
                const bool displacement = target != 0 && i >= one_.decoded.raw.disp.offset &&
                                          i < one_.decoded.raw.disp.offset + 4u;
                if (!displacement && a_[i] != b_[i]) return "other bytes";
            }
        }
        last_ = one_;
        a_ += one_.decoded.length;
        b_ += other_.decoded.length;
        return "";
    }

    // jrcxz +2; jmp +5; jmp target
    std::string Counter() {
        const uint8_t* const taken = b_ + other_.decoded.length + 2;
        Instruction jump;
        if (TargetOf(other_, AddressOf(b_)) != AddressOf(taken)) return "jrcxz leads elsewhere";
        if (!Decode(b_ + other_.decoded.length, jump) ||
            TargetOf(jump, AddressOf(taken - 2)) != AddressOf(taken + kNearJumpBytes)) {
            return "the jump behind jrcxz leads elsewhere";
        }
        if (!Decode(taken, jump) ||
            TargetOf(jump, AddressOf(taken)) != TargetOf(one_, AddressOf(a_))) {
            return "the far part of jrcxz leads elsewhere";
        }
        last_ = one_;
        a_ += one_.decoded.length;
        b_ = taken + kNearJumpBytes;
        return "";
    }

    std::string EndsByItself() const {
        const auto category = last_.decoded.meta.category;
        const bool ends = category == ZYDIS_CATEGORY_RET || category == ZYDIS_CATEGORY_UNCOND_BR ||
                          category == ZYDIS_CATEGORY_INTERRUPT ||
                          category == ZYDIS_CATEGORY_MISC;  // ud2
        return ends ? "" : "nothing leads back";
    }

    // jo and jno, of which one is taken; or, far away, jmp through a pointer.
    std::string JumpsBack() {
        if (!Decode(b_, other_)) return "no jump back";
        uint64_t target = TargetOf(other_, AddressOf(b_));
        size_t bytes = other_.decoded.length;
        if (other_.decoded.mnemonic == ZYDIS_MNEMONIC_JO) {
            Instruction second;
            if (!Decode(b_ + bytes, second) || second.decoded.mnemonic != ZYDIS_MNEMONIC_JNO ||
                TargetOf(second, AddressOf(b_ + bytes)) != target) {
                return "no second jump back";
            }
            bytes += second.decoded.length;
        } else if (other_.decoded.mnemonic == ZYDIS_MNEMONIC_JMP &&
                   other_.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY) {
            std::memcpy(&target, reinterpret_cast<const void*>(target), sizeof target);
            bytes += sizeof target;
        } else {
            return "no jump back";
        }
        if (target != AddressOf(a_)) return "the jump back leads elsewhere";
        return b_ + bytes == end_b_ ? "" : "something behind the jump back";
    }

    const uint8_t* a_;
    const uint8_t* b_;
    const uint8_t* end_a_;
    const uint8_t* end_b_;
    Instruction one_ = {};
    Instruction other_ = {};
    Instruction last_ = {};
};

// Every function of one module that can be relocated, with its trampoline.
class Trampolines {
public:
    explicit Trampolines(const ModuleImage& image) : functions_(FunctionsOf(image)) {
        const uint64_t end = image.begin + image.bytes;
        bytes_ = functions_.size() * kMaxTrampolineBytes;
        block_ = static_cast<uint8_t*>(
            AllocateNear(ReachOf(image.begin, end), image.begin, end, bytes_));
        EXPECT_NE(nullptr, block_);
        uint8_t* at = block_;
        for (const uint8_t* const function : functions_) {
            const Refusal refusal = CheckEntry(function);
            if (refusal != Refusal::kNone) {
                ++refusals_[RefusalText(refusal)];
                continue;
            }
            // Exports are followed by other code, so that as much can be read.
            EXPECT_EQ(Refusal::kNone,
                      RelocateEntry(function, 64, kNearJumpBytes, AddressOf(at), relocated_));
            std::memcpy(at, relocated_.code, relocated_.code_bytes);
            const std::string problem = Comparison(function, at, relocated_).Problem();
            EXPECT_EQ("", problem) << "at +0x" << std::hex << AddressOf(function) - image.begin;
            made_[function] = at;
            at += kMaxTrampolineBytes;
        }
        DWORD ignored;
        EXPECT_TRUE(VirtualProtect(block_, bytes_, PAGE_EXECUTE_READ, &ignored));
    }
    ~Trampolines() { FreeNear(block_); }
    Trampolines(const Trampolines&) = delete;
    Trampolines& operator=(const Trampolines&) = delete;

    size_t functions() const { return functions_.size(); }
    size_t made() const { return made_.size(); }
    const std::map<std::string, size_t>& refusals() const { return refusals_; }
    const void* Of(const void* function) const {
        const auto found = made_.find(static_cast<const uint8_t*>(function));
        return found == made_.end() ? nullptr : found->second;
    }

private:
    std::set<const uint8_t*> functions_;
    std::map<const uint8_t*, const uint8_t*> made_;
    std::map<std::string, size_t> refusals_;
    RelocatedEntry relocated_;
    uint8_t* block_ = nullptr;
    size_t bytes_ = 0;
};

}  // namespace strata::override

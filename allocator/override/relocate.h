// Moving the first instructions of a function elsewhere, so that its entry can be overwritten by a
// jump while the function stays callable. Decoding is Zydis's; nothing here is a byte pattern.
//
// A relocated entry is a trampoline: the copied instructions, their relative operands corrected for
// the new address, followed by a jump to the first instruction that was not copied. That jump is a
// pair of conditional ones, of which one is always taken: where the copied instructions have moved
// the stack pointer, a plain `jmp` would look like the end of a function to whoever unwinds the
// stack (Microsoft, "x64 prolog and epilog").
//
// What cannot be moved with certainty is refused: the caller then leaves the function alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::override {

// Why a function cannot be redirected.
enum class Refusal : uint8_t {
    kNone,
    kAlreadyRedirected,   // the entry is a jump that leads out of its module
    kUnknownInstruction,  // bytes that are not an instruction the decoder knows
    kUnsafeInstruction,   // a breakpoint, a privileged instruction, a transaction
    kTooShort,            // the function ends before the bytes that a jump needs
    kBranchIntoEntry,     // some branch of the function leads into the bytes to be overwritten
    kOutOfReach,          // a relative operand cannot reach its target from the trampoline
    kNotCode,             // not committed, executable memory
    kCallInEntry,         // a call stands there, in a function without unwind data for its copy
    kLeadsBack,           // the function as it was comes back to an entry that shares its original
    kOverlap,             // two requests want the same bytes
    kNoMemoryNear,        // no free address range within reach
    kProtect,             // the system did not let the page be written
    kWrite,               // the bytes were not the expected ones when they were to be replaced
    kThreadInside,        // a thread stayed between the instructions that are to be overwritten
    kThreads,             // the other threads could not be held
    kInjectedFault,       // a test asked for it
};

// A clause for messages: "its entry is a jump already".
const char* RefusalText(Refusal refusal) noexcept;

// jmp rel32.
inline constexpr size_t kNearJumpBytes = 5;
// jmp [rip+0] and the address behind it.
inline constexpr size_t kFarJumpBytes = 14;
// The longest trampoline: a 15-byte instruction after four bytes of others, of which the worst are
// two loop instructions (9 bytes each once relocated), and a far jump back.
inline constexpr size_t kMaxTrampolineBytes = 64;
// None takes less than a byte of it.
inline constexpr size_t kMaxMoved = kMaxTrampolineBytes;

struct RelocatedEntry {
    uint8_t code[kMaxTrampolineBytes];
    size_t code_bytes = 0;     // used bytes of `code`
    size_t covered_bytes = 0;  // bytes of the entry that `code` stands for: whole instructions
    bool has_call = false;     // a call is among them: it returns into the trampoline
    // Where each of the moved instructions ends, in the entry and in the trampoline.
    struct End {
        uint8_t entry;
        uint8_t trampoline;
    };
    End ends[kMaxMoved] = {};
    size_t moved = 0;
};

// What a jump at the very entry means.
enum class FirstJump : uint8_t {
    kRefused,  // somebody else's redirect
    kMoved,    // the caller knows where it leads, and wants it in the trampoline
};

// Relocates at least `patch_bytes` bytes of whole instructions from `entry`, for execution at
// `address`. `readable_bytes` bytes from `entry` may be read; instructions behind them do not
// exist.
Refusal RelocateEntry(const uint8_t* entry, size_t readable_bytes, size_t patch_bytes,
                      uint64_t address, RelocatedEntry& relocated,
                      FirstJump first = FirstJump::kRefused) noexcept;

// Whether a branch in the function's body leads into (entry, entry + patch_bytes). The body is
// followed from `entry` to the return or jump behind which no branch leads, or to `readable_bytes`.
bool HasBranchIntoEntry(const uint8_t* entry, size_t readable_bytes, size_t patch_bytes) noexcept;

// Writes a jump to `target` at `code`, for execution at `address`: near when the target is in
// reach, far otherwise. Returns its length.
size_t EmitJump(uint8_t* code, uint64_t address, uint64_t target) noexcept;

// Writes jmp [rip+0] and `target`: reaches everything. Returns kFarJumpBytes.
size_t EmitFarJump(uint8_t* code, uint64_t target) noexcept;

// Whether `to` can be the target of a rel32 operand that is followed by `from`.
constexpr bool InReach(uint64_t from, uint64_t to) noexcept {
    const int64_t distance = static_cast<int64_t>(to - from);
    return distance >= INT32_MIN && distance <= INT32_MAX;
}

}  // namespace strata::override

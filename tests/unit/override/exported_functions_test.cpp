// The redirect engine on the system's own code: every function that ntdll, kernel32, kernelbase and the C
// runtimes export is relocated, and the trampoline judged by decoding it again; functions without side
// effects are then called through their trampolines and must answer as they do.
#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "override/module_image.h"
#include "override/near_memory.h"
#include "override/redirect.h"
#include "override/relocate.h"
#include "override/windows_api.h"

namespace strata::override {
namespace {

constexpr const wchar_t* kModules[] = {L"ntdll.dll", L"kernel32.dll", L"kernelbase.dll",
                                       L"msvcrt.dll", L"ucrtbase.dll"};

uint64_t AddressOf(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

ModuleImage Load(const wchar_t* name) { return ImageAt(LoadLibraryW(name)); }

// The exported functions, without forwarders; each address once.
std::set<const uint8_t*> FunctionsOf(const ModuleImage& image) {
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

bool Decode(const uint8_t* at, Instruction& out) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, at, ZYDIS_MAX_INSTRUCTION_LENGTH,
                                               &out.decoded, out.operands));
}

// Where its relative operand leads, whatever instruction it is; 0: it has none.
uint64_t TargetOf(const Instruction& instruction, uint64_t address) {
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
bool IsCounterBranch(const Instruction& instruction) {
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

    std::string JumpsBack() {
        if (!Decode(b_, other_) || other_.decoded.mnemonic != ZYDIS_MNEMONIC_JMP) {
            return "no jump back";
        }
        uint64_t target = TargetOf(other_, AddressOf(b_));
        size_t bytes = other_.decoded.length;
        if (other_.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY) {
            std::memcpy(&target, reinterpret_cast<const void*>(target), sizeof target);
            bytes += sizeof target;
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

TEST(ExportedFunctions, AreRelocatedOrRefused) {
    for (const wchar_t* const name : kModules) {
        const ModuleImage image = Load(name);
        ASSERT_TRUE(image.Exists());
        const Trampolines trampolines(image);
        std::printf("  %ls: %zu functions, %zu relocated", name, trampolines.functions(),
                    trampolines.made());
        size_t refused = 0;
        for (const auto& [why, number] : trampolines.refusals()) {
            std::printf("; %zu: %s", number, why.c_str());
            refused += number;
        }
        std::printf("\n");
        EXPECT_EQ(trampolines.functions(), trampolines.made() + refused);
        EXPECT_GT(trampolines.made(), 0u);
    }
}

// The judge itself: a trampoline with any one byte changed is found out.
TEST(ExportedFunctions, AChangedTrampolineIsNoticed) {
    const ModuleImage image = Load(L"ntdll.dll");
    auto* const memory = static_cast<uint8_t*>(
        AllocateNear(ReachOf(image.begin, image.begin + image.bytes), image.begin,
                     image.begin + image.bytes, kMaxTrampolineBytes * 2));
    ASSERT_NE(nullptr, memory);
    size_t changed = 0;
    for (const uint8_t* const function : FunctionsOf(image)) {
        RelocatedEntry relocated;
        if (CheckEntry(function) != Refusal::kNone) continue;
        ASSERT_EQ(Refusal::kNone,
                  RelocateEntry(function, 64, kNearJumpBytes, AddressOf(memory), relocated));
        std::memcpy(memory, relocated.code, relocated.code_bytes);
        for (size_t i = 0; i < relocated.code_bytes; ++i) {
            memory[i] ^= 0x01;
            EXPECT_NE("", Comparison(function, memory, relocated).Problem())
                << "byte " << i << " of +0x" << std::hex << AddressOf(function) - image.begin;
            memory[i] ^= 0x01;
        }
        if (++changed == 200) break;
    }
    FreeNear(memory);
    EXPECT_GT(changed, 0u);
}

// ---- functions without side effects, called ---------------------------------------------------------

template <typename Function>
Function* As(const void* code) {
    return reinterpret_cast<Function*>(reinterpret_cast<uintptr_t>(code));
}

// What a function answers to a number of arguments, as bytes.
class Answers {
public:
    template <typename T>
    void Add(T value) {
        static_assert(std::is_trivially_copyable_v<T>);
        const auto* const bytes = reinterpret_cast<const char*>(&value);
        bytes_.append(bytes, sizeof value);
    }
    bool operator==(const Answers&) const = default;

private:
    std::string bytes_;
};

using Probe = void (*)(const void* function, Answers& answers);

constexpr const char* kTexts[] = {"", "0", "-17", "12345678901", "abc", "ABC", "abcd", "zzz 1.5e3"};
constexpr const wchar_t* kWideTexts[] = {L"", L"0", L"-17", L"abc", L"ABC", L"abcd", L"zzz 9"};
constexpr double kNumbers[] = {-1000.5, -1, -0.25, 0, 0.25, 0.5, 1, 2, 3.75, 100, 1e10};

void OfInteger(const void* function, Answers& answers) {
    for (int i = -1; i < 256; ++i) answers.Add(As<int WINAPI(int)>(function)(i));
}
void OfDouble(const void* function, Answers& answers) {
    for (const double x : kNumbers) answers.Add(As<double WINAPI(double)>(function)(x));
}
void OfTwoDoubles(const void* function, Answers& answers) {
    for (const double x : kNumbers) {
        for (const double y : kNumbers) {
            answers.Add(As<double WINAPI(double, double)>(function)(x, y));
        }
    }
}
void OfText(const void* function, Answers& answers) {
    for (const char* const text : kTexts) answers.Add(As<int WINAPI(const char*)>(function)(text));
}
void OfTextToDouble(const void* function, Answers& answers) {
    for (const char* const text : kTexts) {
        answers.Add(As<double WINAPI(const char*)>(function)(text));
    }
}
void OfTwoTexts(const void* function, Answers& answers) {
    for (const char* const a : kTexts) {
        for (const char* const b : kTexts) {
            answers.Add(As<int WINAPI(const char*, const char*)>(function)(a, b));
        }
    }
}
void OfTextAndCharacter(const void* function, Answers& answers) {
    for (const char* const text : kTexts) {
        for (const int c : {'a', '1', 'z', '\0'}) {
            answers.Add(As<const char * WINAPI(const char*, int)>(function)(text, c));
        }
    }
}
void OfTwoMemories(const void* function, Answers& answers) {
    for (const char* const a : {"abcdefgh", "abcdefgx", "ABCDEFGH"}) {
        for (const size_t bytes : {0, 1, 3, 8}) {
            answers.Add(
                As<int WINAPI(const void*, const void*, size_t)>(function)(a, "abcdefgh", bytes));
        }
    }
}
void OfWideText(const void* function, Answers& answers) {
    for (const wchar_t* const text : kWideTexts) {
        answers.Add(As<int WINAPI(const wchar_t*)>(function)(text));
    }
}
void OfTwoWideTexts(const void* function, Answers& answers) {
    for (const wchar_t* const a : kWideTexts) {
        for (const wchar_t* const b : kWideTexts) {
            answers.Add(As<int WINAPI(const wchar_t*, const wchar_t*)>(function)(a, b));
        }
    }
}
void Copying(const void* function, Answers& answers) {
    for (const size_t bytes : {0, 1, 7, 8, 15, 16, 33, 64, 100}) {
        char from[128];
        char to[128] = {};
        for (size_t i = 0; i < sizeof from; ++i) from[i] = static_cast<char>(i * 7);
        As<void * WINAPI(void*, const void*, size_t)>(function)(to, from, bytes);
        answers.Add(to);
    }
}
void Filling(const void* function, Answers& answers) {
    for (const size_t bytes : {0, 1, 7, 8, 15, 16, 33, 64, 100}) {
        char to[128] = {};
        As<void * WINAPI(void*, int, size_t)>(function)(to, 'f', bytes);
        answers.Add(to);
    }
}
void OfNumberAndCount(const void* function, Answers& answers) {
    for (int count = 0; count < 32; ++count) {
        answers.Add(As<unsigned WINAPI(unsigned, int)>(function)(0x12345678, count));
    }
}
void OfThreeIntegers(const void* function, Answers& answers) {
    for (const int a : {0, 1, -7, 1000000}) {
        for (const int b : {0, 3, -100}) {
            for (const int c : {0, 1, 7, -3}) {
                answers.Add(As<int WINAPI(int, int, int)>(function)(a, b, c));
            }
        }
    }
}
void OfStatus(const void* function, Answers& answers) {
    for (const unsigned status : {0u, 0xC0000005u, 0xC000000Du, 0xC0000017u, 0xC0000022u, 0x102u}) {
        answers.Add(As<unsigned WINAPI(unsigned)>(function)(status));
    }
}
void OfNothing(const void* function, Answers& answers) {
    answers.Add(As<unsigned WINAPI()>(function)());
}
void OfTime(const void* function, Answers& answers) {
    for (const int64_t time :
         {int64_t{0}, int64_t{116444736000000000}, int64_t{132539328123456789}}) {
        for (const int64_t other : {int64_t{0}, int64_t{132539328123456789}}) {
            answers.Add(As<int WINAPI(const int64_t*, const int64_t*)>(function)(&time, &other));
        }
    }
}
void Checksum(const void* function, Answers& answers) {
    for (const char* const text : kTexts) {
        answers.Add(As<unsigned WINAPI(unsigned, const void*, int)>(function)(
            7, text, static_cast<int>(std::strlen(text))));
    }
}

struct Pure {
    Probe probe;
    std::vector<const char*> names;
};

const Pure kPure[] = {
    {OfInteger,
     {"abs",
      "labs",
      "toupper",
      "tolower",
      "isalpha",
      "isdigit",
      "isspace",
      "isupper",
      "islower",
      "isalnum",
      "ispunct",
      "isxdigit",
      "iscntrl",
      "isprint",
      "isgraph",
      "towupper",
      "towlower",
      "iswalpha",
      "iswdigit",
      "iswspace",
      "_toupper",
      "_tolower",
      "RtlUpcaseUnicodeChar",
      "RtlDowncaseUnicodeChar",
      "IsValidCodePage",
      "IsDBCSLeadByte"}},
    {OfDouble, {"sqrt", "sin",  "cos",  "tan",  "exp",  "log",   "log10", "floor", "ceil", "fabs",
                "atan", "sinh", "cosh", "tanh", "cbrt", "trunc", "round", "rint",  "log2", "exp2"}},
    {OfTwoDoubles, {"pow", "fmod", "atan2", "_hypot", "hypot", "fmax", "fmin", "_copysign"}},
    {OfText, {"atoi", "atol", "strlen", "lstrlenA"}},
    {OfTextToDouble, {"atof"}},
    {OfTwoTexts, {"strcmp", "_stricmp", "_strcmpi", "strspn", "strcspn", "lstrcmpA", "lstrcmpiA"}},
    {OfTextAndCharacter, {"strchr", "strrchr"}},
    {OfTwoMemories, {"memcmp", "strncmp", "_strnicmp", "_memicmp", "RtlCompareMemory"}},
    {OfWideText, {"wcslen", "_wtoi", "_wtol", "lstrlenW"}},
    {OfTwoWideTexts, {"wcscmp", "_wcsicmp", "wcsspn", "wcscspn", "lstrcmpiW", "lstrcmpW"}},
    {Copying, {"memcpy", "memmove", "RtlMoveMemory", "RtlCopyMemory"}},
    {Filling, {"memset"}},
    {OfNumberAndCount, {"_rotl", "_rotr"}},
    {OfThreeIntegers, {"MulDiv"}},
    {OfStatus, {"RtlNtStatusToDosError", "RtlNtStatusToDosErrorNoTeb"}},
    {OfNothing,
     {"GetCurrentProcessId", "GetCurrentThreadId", "GetACP", "GetOEMCP", "GetLastError",
      "GetProcessHeap", "GetVersion"}},
    {OfTime, {"CompareFileTime"}},
    {Checksum, {"RtlComputeCrc32"}},
};

TEST(ExportedFunctions, AnswerAlikeThroughTheirTrampolines) {
    size_t compared = 0;
    for (const wchar_t* const name : kModules) {
        const ModuleImage image = Load(name);
        const Trampolines trampolines(image);
        size_t here = 0;
        for (const Pure& pure : kPure) {
            for (const char* const function_name : pure.names) {
                const void* const function = FindExport(image, function_name);
                const void* const trampoline = function ? trampolines.Of(function) : nullptr;
                if (trampoline == nullptr) continue;  // elsewhere, or refused
                Answers expected;
                Answers answers;
                pure.probe(function, expected);
                pure.probe(trampoline, answers);
                EXPECT_TRUE(expected == answers) << function_name;
                ++here;
            }
        }
        std::printf("  %ls: %zu functions answer alike\n", name, here);
        compared += here;
    }
    EXPECT_GE(compared, 50u);
}

}  // namespace
}  // namespace strata::override

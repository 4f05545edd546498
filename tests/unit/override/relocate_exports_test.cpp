// The redirect engine on the system's own code: every function that ntdll, kernel32, kernelbase and
// the C runtimes export is relocated, and the trampoline judged by decoding it again; functions
// without side effects are then called through their trampolines and must answer as they do.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "trampolines.h"

namespace strata::override {
namespace {

// Or the one that STRATA_TEST_MODULE names: tests/e2e/microsoft_test.py has another ucrtbase.dll
// loaded.
std::vector<std::wstring> Modules() {
    wchar_t name[64];
    const DWORD length = GetEnvironmentVariableW(L"STRATA_TEST_MODULE", name, 64);
    if (length != 0 && length < 64) return {name};
    return {L"ntdll.dll", L"kernel32.dll", L"kernelbase.dll", L"msvcrt.dll", L"ucrtbase.dll"};
}

// Made once for all tests: it takes a second a module.
const Trampolines& TrampolinesOf(const std::wstring& name, const ModuleImage& image) {
    static std::map<std::wstring, std::unique_ptr<Trampolines>> made;
    std::unique_ptr<Trampolines>& trampolines = made[name];
    if (trampolines == nullptr) trampolines = std::make_unique<Trampolines>(image);
    return *trampolines;
}

TEST(ExportedFunctions, AreRelocatedOrRefused) {
    for (const std::wstring& name : Modules()) {
        const ModuleImage image = Load(name.c_str());
        ASSERT_TRUE(image.Exists());
        const Trampolines& trampolines = TrampolinesOf(name, image);
        std::printf("  %ls: %zu functions, %zu relocated", name.c_str(), trampolines.functions(),
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

// ---- functions without side effects, called ----------------------------------------------------

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
    for (const std::wstring& name : Modules()) {
        const ModuleImage image = Load(name.c_str());
        const Trampolines& trampolines = TrampolinesOf(name, image);
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
        std::printf("  %ls: %zu functions answer alike\n", name.c_str(), here);
        compared += here;
    }
    EXPECT_GE(compared, 50u);
}

}  // namespace
}  // namespace strata::override

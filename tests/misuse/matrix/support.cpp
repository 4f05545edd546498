#include "matrix.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace strata::misuse {

namespace {

void Line(const char* first, const char* rest) {
    std::printf("%s%s\n", first, rest);
    std::fflush(stdout);
}

// What a block of `bytes` bytes has for use. In strict modes more stands behind it, or nothing.
template <typename Expect>
void ForUsables(size_t bytes, Expect expect) {
    constexpr size_t kTail = 16;
    expect(strata_good_size(bytes));
    if (!IsStrict()) return;
    expect(strata_good_size(bytes + kTail));
    expect(bytes);
}

}  // namespace

void BeginMisuse() { Line("misuse", ""); }
void EndMisuse() { Line("unnoticed", ""); }
void Say(const char* result) { Line("saw ", result); }
void SayOnFault(const char* result) { Line("on fault ", result); }

bool IsStrict() {
    const auto is_set = [](const char* name) {
        const char* const value = std::getenv(name);
        return value != nullptr && std::strcmp(value, "0") != 0;
    };
    return is_set("STRATA_HARDENED") || is_set("STRATA_PAGE_HEAP");
}

void ExpectFreed(const char* verb, const void* block, size_t bytes, bool gone) {
    ForUsables(bytes, [=](size_t usable) {
        if (std::strcmp(verb, "free") == 0) {
            ExpectDoubleFree(block, usable, Process());
        } else {
            ExpectUseOfFreed(verb, block, usable, Process());
        }
    });
    if (gone || IsStrict()) ExpectEnded(verb, block);
}

void ExpectInside(const void* pointer, const void* block, size_t bytes) {
    ForUsables(bytes, [=](size_t usable) { ExpectInterior(pointer, block, usable, Process()); });
}

void ExpectDamage(const void* block, size_t bytes) {
    if (!IsStrict()) return;
    ExpectTailOverrun("free", block, bytes, Process());
    ExpectUnderrun("free", block, bytes, Process());
}

void ExpectWrittenAfterFree(const void* block, size_t offset) {
    if (IsStrict()) ExpectWriteAfterFree(block, Process(), offset);
}

namespace {

std::atomic<void (*)(void*)> g_task{nullptr};
std::atomic<void*> g_argument{nullptr};

[[noreturn]] void Help() {
    for (;;) {
        if (void (*const task)(void*) = g_task.load()) {
            task(g_argument.load());
            g_task.store(nullptr);
        }
        std::this_thread::yield();
    }
}

}  // namespace

void StartHelper() { std::thread(Help).detach(); }

void InHelper(void (*function)(void*), void* argument) {
    g_argument.store(argument);
    g_task.store(function);
    while (g_task.load() != nullptr) std::this_thread::yield();
}

Neighbours MallocAmongOthers(size_t bytes) {
    static char* blocks[600];
    const size_t count = bytes >= kDirect ? 5 : bytes > 10000 ? 20 : 600;
    for (size_t i = 0; i < count; ++i) blocks[i] = Malloc(bytes);
    std::sort(blocks, blocks + count);
    return {blocks[count / 2 - 1], blocks[count / 2], blocks[count / 2 + 1]};
}

}  // namespace strata::misuse

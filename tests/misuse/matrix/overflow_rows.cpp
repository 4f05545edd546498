// Rows 11 to 19: writes beyond a block's ends, and uses of freed blocks. What is written is visible
// to the allocator at the end: the blocks around are freed, others come and go.
#include <cstring>

#include "matrix.h"

namespace strata::misuse {

namespace {

// Frees the block, which is the first chance to see what happened to it, then those around it.
void FreeAll(const Neighbours& found) {
    strata_free(found.block);
    strata_free(found.behind);
    strata_free(found.before);
}

// So many blocks that a quarantine, which of its blocks lets a random one go each time, has let
// every older one go: of 512 places, one is left after 10,000 frees with a chance below 1 in 10^8.
void ComeAndGo(size_t bytes) {
    static char* blocks[10'000];
    const size_t count = bytes > 10000 ? 200 : 10'000;
    for (size_t i = 0; i < count; ++i) blocks[i] = Malloc(bytes);
    for (size_t i = 0; i < count; ++i) strata_free(blocks[i]);
}

void Flip(char* at, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) at[i] = static_cast<char>(~at[i]);
}

void Overflow(const Run& run, size_t bytes, ptrdiff_t from, size_t length) {
    const Neighbours found = MallocAmongOthers(bytes);
    for (char* block : {found.before, found.block, found.behind}) {
        ExpectDamage(block, bytes);
    }
    Misuse(run, [=] { Flip(found.block + from, length); });
    FreeAll(found);
}

void OverflowByOne(const Run& run) {
    Overflow(run, run.bytes, static_cast<ptrdiff_t>(run.bytes), 1);
}
void OverflowBySome(const Run& run) {
    Overflow(run, run.bytes, static_cast<ptrdiff_t>(run.bytes), run.Pick(8, 16, 32));
}
void OverflowByPages(const Run& run) {
    const size_t bytes = run.Pick(size_t{40}, size_t{400}, size_t{3000});
    Overflow(run, bytes, static_cast<ptrdiff_t>(bytes), 8192);
}
void OverflowLarge(const Run& run) {
    const size_t bytes = run.Pick(size_t{100000}, size_t{1} << 20, kDirect);
    Overflow(run, bytes, static_cast<ptrdiff_t>(bytes), 8192);
}
void UnderflowByOne(const Run& run) { Overflow(run, run.bytes, -1, 1); }

constexpr char kSecret[] = "a secret";

void ReadFreed(const Run& run) {
    char* const block = Malloc(run.bytes);
    char* const secret = block + run.bytes / 2;
    std::memcpy(secret, kSecret, sizeof kSecret);
    strata_free(block);
    bool same = false;
    Misuse(run, [&] { same = std::memcmp(secret, kSecret, sizeof kSecret) == 0; });
    Say(same ? "nothing" : "neutralised");
}

void WriteFreed(const Run& run) {
    char* const block = Malloc(run.bytes);
    std::memset(block, 0, run.bytes);
    const size_t offset = run.bytes / 2;
    ExpectWrittenAfterFree(block, offset);
    strata_free(block);
    Misuse(run, [=] { Flip(block + offset, 1); });
    ComeAndGo(run.bytes);
}

// Blocks that were freed are filled with the address of something that no allocation may return.
void PoisonFreed(const Run& run) {
    alignas(16) static char target[64];
    static char* blocks[64];
    for (char*& block : blocks) block = Malloc(run.bytes);
    for (char* block : blocks) {
        ExpectWrittenAfterFree(block, 0);
        strata_free(block);
    }
    Misuse(run, [=] {
        for (char* block : blocks) {
            for (size_t at = 0; at + sizeof(void*) <= run.bytes; at += sizeof(void*)) {
                void* const value = target;
                std::memcpy(block + at, &value, sizeof value);
            }
        }
    });
    bool harmless = true;
    for (int i = 0; i < 2000; ++i) {
        char* const got = Malloc(run.bytes);
        harmless = harmless && got != target && strata_owns(got);
    }
    ComeAndGo(run.bytes);  // in strict modes the blocks are looked at before they come back
    if (!IsStrict()) harmless = harmless && strata_heap_validate(strata_heap_process()) != 0;
    Say(harmless ? "immune" : "nothing");
}

// Where allocators with headers keep them; then everything goes on as if nothing had happened.
void OverwriteHeader(const Run& run) {
    const Neighbours found = MallocAmongOthers(run.bytes);
    for (char* block : {found.before, found.block, found.behind}) {
        ExpectDamage(block, run.bytes);
    }
    Misuse(run, [=] { Flip(found.block - 16, 16); });
    const bool exact = strata_requested_size(found.block) == run.bytes;
    FreeAll(found);
    ComeAndGo(run.bytes);
    const bool valid = strata_heap_validate(strata_heap_process()) != 0;
    Say(exact && valid ? "immune" : "nothing");
}

}  // namespace

const Row kOverflowRows[] = {
    {11, OverflowByOne},   {12, OverflowBySome}, {13, OverflowByPages}, {14, OverflowLarge},
    {15, UnderflowByOne},  {16, ReadFreed},      {17, WriteFreed},      {18, PoisonFreed},
    {19, OverwriteHeader}, {0, nullptr},
};

}  // namespace strata::misuse

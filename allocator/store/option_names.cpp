// The names of all options, for those that are spelled wrong, and their values, for those who ask.
#include <cstddef>

#include "arena/process_arenas.h"
#include "base/constants.h"
#include "os/process.h"
#include "store/modes.h"
#include "store/options.h"

namespace strata::store {

namespace {

constexpr char kPrefix[] = "STRATA_";
constexpr const char* kOptions[] = {
    "STRATA_DECAY_MS",     "STRATA_RETAIN_KB",    "STRATA_HARDENED",     "STRATA_PAGE_HEAP",
    "STRATA_GUARD_SAMPLE", "STRATA_GUARD_BEFORE", "STRATA_GUARD_BLOCKS", "STRATA_LOG",
    "STRATA_DISABLE",      "STRATA_VERBOSE",      "STRATA_KEEP_CRT",     "STRATA_CHILDREN",
    "STRATA_STATS",        "STRATA_STATS_FILE",   "STRATA_RECORD",
};
// What the project's scripts, tests and benchmarks read: theirs are the names that begin so.
constexpr const char* kOfTools[] = {
    "STRATA_WINE",       "STRATA_JOBS", "STRATA_TEST", "STRATA_BENCH",
    "STRATA_INTERLEAVE", "STRATA_SHOW", "STRATA_TAIL", "STRATA_ROOT",
    "STRATA_BUILD",      "STRATA_DEPS", "STRATA_LOGS", "STRATA_CLANG",
};
constexpr size_t kLongest = 32;
// A name is meant that needs no more letters changed, left out or put in.
constexpr size_t kNear = 4;

char Upper(char c) noexcept { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool Begins(const char* name, const char* with) noexcept {
    for (; *with != 0; ++name, ++with) {
        if (Upper(*name) != *with) return false;
    }
    return true;
}

// Windows does not tell capitals from other letters.
bool Is(const char* name, const char* option) noexcept {
    for (; *name != 0 && Upper(*name) == *option; ++name, ++option) {
    }
    return Upper(*name) == *option;
}

size_t Least(size_t a, size_t b) noexcept { return a < b ? a : b; }

// How many letters are to be changed, left out or put in (Levenshtein); `wanted` is an option.
size_t Distance(const char* name, const char* wanted) noexcept {
    size_t row[kLongest + 1];
    size_t length = 0;
    for (; wanted[length] != 0; ++length) row[length] = length;
    row[length] = length;
    for (size_t i = 0; name[i] != 0; ++i) {
        size_t diagonal = i;
        row[0] = i + 1;
        for (size_t j = 0; j < length; ++j) {
            const size_t changed = diagonal + (Upper(name[i]) == wanted[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = Least(changed, Least(row[j], row[j + 1]) + 1);
        }
    }
    return row[length];
}

void CheckName(const char* name, void* context) noexcept {
    const char* nearest = nullptr;
    size_t least = kNear + 1;
    for (const char* const option : kOptions) {
        if (Is(name, option)) return;
        if (const size_t distance = Distance(name, option); distance < least) {
            least = distance;
            nearest = option;
        }
    }
    for (const char* const tool : kOfTools) {
        if (Begins(name, tool)) return;
    }
    os::TextSink& complaints = *static_cast<os::TextSink*>(context);
    complaints.Put("strata: ").Put(name).Put(" is no option");
    if (nearest != nullptr) complaints.Put("; is ").Put(nearest).Put(" meant?");
    complaints.Put("\n");
}

void PutValue(os::TextSink& text, const char* name, uint64_t value) noexcept {
    text.Put(text.length() == 0 ? "" : " ").Put(name).PutChar('=').PutDecimal(value);
}

}  // namespace

void CheckNames(os::TextSink& complaints) noexcept {
    os::ForEachOption(kPrefix, &CheckName, &complaints);
}

void PutOptions(os::TextSink& text) noexcept {
    PutValue(text, "STRATA_HARDENED", g_modes.hardened);
    PutValue(text, "STRATA_PAGE_HEAP", g_modes.page_heap);
    PutValue(text, "STRATA_GUARD_SAMPLE", g_modes.sample_period);
    PutValue(text, "STRATA_GUARD_BEFORE", g_modes.guard_before);
    if (g_modes.guarded_blocks != SIZE_MAX) {
        PutValue(text, "STRATA_GUARD_BLOCKS", g_modes.guarded_blocks);
    }
    const arena::PurgePolicy& policy = arena::g_purge_policy;
    PutValue(text, "STRATA_DECAY_MS", uint64_t{policy.decay_epochs} * kEpochMilliseconds);
    PutValue(text, "STRATA_RETAIN_KB", policy.retained_slices * kSliceSize / 1024);
}

}  // namespace strata::store

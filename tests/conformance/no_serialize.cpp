// HEAP_NO_SERIALIZE in a call: it takes no lock, so it does not wait for the thread that called
// HeapLock. Without it, a call that needs the heap waits.
#include "support.h"

#include <cstring>

namespace conformance {

namespace {

constexpr DWORD kNoSerialize = HEAP_NO_SERIALIZE;

// What another thread does with `block`, while this one holds the lock: like all that such a thread
// uses, it must not lie in the rule's frame.
struct Job {
    HeapApi api;
    HANDLE heap;
    void* block;
    size_t bytes;
    DWORD flags;

    std::atomic<bool> succeeded{false};
};
using Action = bool (*)(Job& job);

constexpr size_t kSizes[] = {kSmall, kMedium, kLarge, kHuge};

bool Alloc(Job& job) {
    void* block = job.api.alloc(job.heap, job.flags | HEAP_ZERO_MEMORY, job.bytes);
    if (block == nullptr || !IsZero(block, 0, job.bytes)) return false;
    Stamp(block, job.bytes, 2);
    return job.api.size(job.heap, job.flags, block) == job.bytes;
}

bool Free(Job& job) { return job.api.free(job.heap, job.flags, job.block) != FALSE; }

bool Resize(Job& job, size_t bytes) {
    const size_t kept = bytes < job.bytes ? bytes : job.bytes;
    void* resized = job.api.realloc(job.heap, job.flags, job.block, bytes);
    return resized != nullptr && IsStamped(resized, job.bytes, kept, 1) &&
           job.api.size(job.heap, job.flags, resized) == bytes;
}
bool Grow(Job& job) { return Resize(job, job.bytes * 3 + 1000); }
bool Shrink(Job& job) { return Resize(job, job.bytes / 2); }

bool Size(Job& job) { return job.api.size(job.heap, job.flags, job.block) == job.bytes; }
bool ValidateBlock(Job& job) { return job.api.validate(job.heap, job.flags, job.block) != FALSE; }
bool ValidateHeap(Job& job) { return job.api.validate(job.heap, job.flags, nullptr) != FALSE; }
// What it returns is a matter of other rules.
bool Compact(Job& job) { return job.api.compact(job.heap, job.flags), true; }

// Runs `action` in a new thread while this one holds the lock of `heap`, which it destroys at the
// end. `patience`: how long it may take before it counts as waiting, in milliseconds.
Observed WhileLocked(const HeapApi& api, HANDLE heap, size_t bytes, DWORD flags, Action action,
                     unsigned patience) {
    if (heap == nullptr) return Say("no heap, %s", ErrorNow());
    const auto job = std::make_shared<Job>();
    job->api = api;
    job->heap = heap;
    job->block = api.alloc(heap, 0, bytes);
    job->bytes = bytes;
    job->flags = flags;
    if (job->block == nullptr) return "no block";
    Stamp(job->block, bytes, 1);
    if (!api.lock(heap)) return "not locked";
    const Waiter other([job, action] { job->succeeded.store(action(*job)); });
    const bool waits = !other.HasEndedWithin(patience);
    if (!api.unlock(heap)) return "not unlocked";
    if (!other.HasEndedWithin(10000)) return "waits for ever";
    const bool good = job->succeeded.load() && api.validate(heap, 0, nullptr);
    api.destroy(heap);
    return Say("%s%s", waits ? "waits, then " : "goes on, ", good ? "succeeds" : "fails");
}

// Each of `actions` for a block of each size of a heap of its own, until one does not go on.
Observed AllGoOn(const HeapApi& api, HANDLE (*create)(const HeapApi& api), size_t largest,
                 std::initializer_list<Action> actions) {
    // A busy machine must not look like a lock; one that waits costs this once.
    constexpr unsigned kPatience = 3000;
    Observed seen;
    for (size_t bytes : kSizes) {
        if (bytes > largest) continue;
        for (const Action action : actions) {
            seen = WhileLocked(api, create(api), bytes, kNoSerialize, action, kPatience);
            if (std::strcmp(seen.text(), "goes on, succeeds") != 0) {
                return Say("%s (%zu bytes)", seen.text(), bytes);
            }
        }
    }
    return seen;
}

HANDLE Plain(const HeapApi& api) { return api.create(0, 0, 0); }
HANDLE FixedSize(const HeapApi& api) { return api.create(0, 0, 8 * kMiB); }
HANDLE Executable(const HeapApi& api) { return api.create(HEAP_CREATE_ENABLE_EXECUTE, 0, 0); }
HANDLE Checking(const HeapApi& api) { return api.create_with_flags(0x20 | 0x40); }

template <Action... actions>
Observed GoOn(const HeapApi& api) {
    return AllGoOn(api, Plain, kHuge, {actions...});
}

template <HANDLE (*create)(const HeapApi&)>
Observed GoOnIn(const HeapApi& api) {
    if (create == Checking && api.create_with_flags == nullptr) return kNotExported;
    return AllGoOn(api, create, kLarge, {Alloc, Free, Grow, Size, ValidateBlock, ValidateHeap});
}

// All in one thread, one after the other; the thread that holds the lock goes on as well.
Observed OwnerAndOther(const HeapApi& api) {
    const HANDLE heap = api.create(0, 0, 0);
    std::vector<Block> live;
    for (size_t bytes : kSizes) live.push_back({api.alloc(heap, 0, bytes), bytes});
    if (!api.lock(heap)) return "not locked";
    const auto made = std::make_shared<std::vector<Block>>();
    const Waiter other([api, heap, made] {
        for (size_t bytes : kSizes) {
            void* block = api.alloc(heap, kNoSerialize, bytes);
            block = api.realloc(heap, kNoSerialize, block, bytes + 100);
            made->push_back({block, bytes + 100});
        }
        api.free(heap, kNoSerialize, made->back().address);
        made->pop_back();
    });
    if (!other.HasEndedWithin(3000)) {
        api.unlock(heap);
        return other.HasEndedWithin(10000) ? "waits" : "waits for ever";
    }
    // The lock is still held, and whoever holds it sees what was done.
    live.insert(live.end(), made->begin(), made->end());
    const Observed walked = CompareBusy(WalkAll(api, heap), live);
    FreeAll(api, heap, live);
    const bool good = api.validate(heap, 0, nullptr) != FALSE;
    if (!api.unlock(heap)) return "not unlocked";
    api.destroy(heap);
    if (std::strcmp(walked.text(), "exact") != 0) return walked;
    return good ? "goes on, and all is there" : "heap damaged";
}

// --- Without the flag ---

template <Action action, size_t bytes, HANDLE (*create)(const HeapApi&) = Plain>
Observed Waits(const HeapApi& api) {
    if (create == Checking && api.create_with_flags == nullptr) return kNotExported;
    return WhileLocked(api, create(api), bytes, 0, action, 100);
}

// HeapLock's page speaks of threads that allocate or release. Whether the others wait is left open;
// all come to an end.
template <Action... actions>
Observed NowOrLater(const HeapApi& api) {
    for (const Action action : {actions...}) {
        const Observed seen = WhileLocked(api, api.create(0, 0, 0), kMedium, 0, action, 20);
        if (std::strstr(seen.text(), "succeeds") == nullptr) return seen;
    }
    return "succeed, now or later";
}

bool LockAndUnlock(Job& job) { return job.api.lock(job.heap) && job.api.unlock(job.heap); }
bool Walk(Job& job) { return WalkAll(job.api, job.heap).Busy(job.block) != nullptr; }
bool Query(Job& job) {
    ULONG mode = 77;
    return job.api.query_information(job.heap, HeapCompatibilityInformation, &mode, sizeof mode,
                                     nullptr) != FALSE;
}

constexpr char kGoesOn[] = "goes on, succeeds", kWaits[] = "waits, then succeeds";

const Rule kRules[] = {
    {"no_serialize.alloc", "HeapAlloc with HEAP_NO_SERIALIZE while another thread holds HeapLock",
     kGoesOn, "HeapAlloc; Wine tests", GoOn<Alloc>},
    {"no_serialize.free", "HeapFree, likewise", kGoesOn, "HeapFree; Wine tests", GoOn<Free>},
    {"no_serialize.realloc", "HeapReAlloc to three times the size and to half of it, likewise",
     kGoesOn, "HeapReAlloc", GoOn<Grow, Shrink>},
    {"no_serialize.size", "HeapSize, likewise", kGoesOn, "HeapSize", GoOn<Size>},
    {"no_serialize.validate", "HeapValidate of a block, likewise", kGoesOn, "HeapValidate",
     GoOn<ValidateBlock>},
    {"no_serialize.validate.heap", "HeapValidate of the heap, likewise", kGoesOn, "HeapValidate",
     GoOn<ValidateHeap>},
    {"no_serialize.compact", "HeapCompact, likewise", kGoesOn, "HeapCompact", GoOn<Compact>},
    {"no_serialize.fixed", "All of these in a heap of 8 MiB", kGoesOn, "HeapAlloc",
     GoOnIn<FixedSize>},
    {"no_serialize.executable", "The same in an executable heap", kGoesOn, "HeapAlloc",
     GoOnIn<Executable>},
    {"no_serialize.checking", "The same in a heap that checks tails and freed blocks", kGoesOn,
     "HeapAlloc", GoOnIn<Checking>},
    {"no_serialize.owner", "What the other thread made, seen by the one that holds the lock",
     "goes on, and all is there", "HeapAlloc", OwnerAndOther},
    {"serialize.realloc.grow", "HeapReAlloc of 40 bytes to 1120 without the flag", kWaits,
     "HeapLock", Waits<Grow, kSmall>},
    {"serialize.realloc.grow.large", "HeapReAlloc of 200 KiB to 601 KiB without the flag", kWaits,
     "HeapLock", Waits<Grow, kLarge>},
    {"serialize.free.medium", "HeapFree of 5000 bytes without the flag", kWaits, "HeapLock",
     Waits<Free, kMedium>},
    {"serialize.free.huge", "HeapFree of 3 MiB without the flag", kWaits, "HeapLock",
     Waits<Free, kHuge>},
    {"serialize.alloc.fixed", "HeapAlloc in a heap of 8 MiB without the flag", kWaits, "HeapLock",
     Waits<Alloc, kMedium, FixedSize>},
    {"serialize.free.executable", "HeapFree in an executable heap without the flag", kWaits,
     "HeapLock", Waits<Free, kMedium, Executable>},
    {"serialize.realloc.checking", "HeapReAlloc in a heap that checks, without the flag", kWaits,
     "HeapLock", Waits<Grow, kMedium, Checking>},
    {"serialize.lock", "HeapLock", kWaits, "HeapLock", Waits<LockAndUnlock, kSmall>},
    {"serialize.others", "HeapSize, HeapValidate, HeapCompact, HeapWalk, HeapQueryInformation",
     "succeed, now or later", "HeapLock",
     NowOrLater<Size, ValidateBlock, ValidateHeap, Compact, Walk, Query>},
};

}  // namespace

const Topic kSerialization = MakeTopic("HEAP_NO_SERIALIZE", kRules);

}  // namespace conformance

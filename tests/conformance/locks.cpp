// HeapLock and HeapUnlock. Microsoft's page speaks of a heap with one lock; the low-fragmentation
// heap serves sizes that a thread uses often without it.
#include "support.h"

#include <cstring>

namespace conformance {

namespace {

// What a thread does while another one holds the lock: it must not use anything of the rule's
// frame, for it may go on when the rule has given up.
using Action = std::function<bool(const HeapApi& api, HANDLE heap)>;

Observed WhileLocked(const HeapApi& api, const Action& action) {
    const HANDLE heap = api.create(0, 0, 0);
    if (!api.lock(heap)) return "not locked";
    const auto succeeded = std::make_shared<std::atomic<bool>>(false);
    const Waiter other([api, heap, action, succeeded] { succeeded->store(action(api, heap)); });
    const bool waits = !other.HasEndedWithin(250);
    if (!api.unlock(heap)) return "not unlocked";
    if (!other.HasEndedWithin(10000)) return "waits for ever";
    const char* outcome = succeeded->load() ? "succeeds" : "fails";
    api.destroy(heap);
    return Say("%s%s", waits ? "waits, then " : "goes on, ", outcome);
}

template <size_t bytes>
Observed AllocWhileLocked(const HeapApi& api) {
    return WhileLocked(api, [](const HeapApi& in, HANDLE heap) {
        void* block = in.alloc(heap, 0, bytes);
        return block != nullptr && in.size(heap, 0, block) == bytes;
    });
}

// The block is the other thread's own, allocated before the lock was taken.
Observed OwnBlockWhileLocked(const HeapApi& api, size_t bytes, const Action& action) {
    const HANDLE heap = api.create(0, 0, 0);
    struct Shared {
        std::atomic<void*> block{nullptr};
        std::atomic<bool> locked{false}, succeeded{false};
    };
    const auto shared = std::make_shared<Shared>();
    const Waiter other([api, heap, bytes, action, shared] {
        shared->block.store(api.alloc(heap, 0, bytes));
        while (!shared->locked.load()) Sleep(1);
        shared->succeeded.store(action(api, heap));
    });
    while (shared->block.load() == nullptr) Sleep(1);
    api.lock(heap);
    shared->locked.store(true);
    const bool waits = !other.HasEndedWithin(250);
    api.unlock(heap);
    if (!other.HasEndedWithin(10000)) return "waits for ever";
    const bool succeeded = shared->succeeded.load();
    api.destroy(heap);
    return Say("%s%s", waits ? "waits, then " : "goes on, ", succeeded ? "succeeds" : "fails");
}

template <size_t bytes>
Observed FreeWhileLocked(const HeapApi& api) {
    const HANDLE heap = api.create(0, 0, 0);
    void* block = api.alloc(heap, 0, bytes);
    if (!api.lock(heap)) return "not locked";
    const auto freed = std::make_shared<std::atomic<bool>>(false);
    const Waiter other(
        [api, heap, block, freed] { freed->store(api.free(heap, 0, block) != FALSE); });
    const bool waits = !other.HasEndedWithin(250);
    api.unlock(heap);
    if (!other.HasEndedWithin(10000)) return "waits for ever";
    api.destroy(heap);
    return Say("%s%s", waits ? "waits, then " : "goes on, ", freed->load() ? "succeeds" : "fails");
}

// A size that the other thread has used often: with the low-fragmentation heap it may go on at
// once.
Observed WarmSize(const HeapApi& api) {
    const Observed seen = OwnBlockWhileLocked(api, kSmall, [](const HeapApi& in, HANDLE heap) {
        bool good = true;
        for (int i = 0; i < 200; ++i) {
            void* block = in.alloc(heap, 0, kSmall);
            good = good && block != nullptr && in.free(heap, 0, block);
        }
        return good && in.validate(heap, 0, nullptr);
    });
    return std::strstr(seen.text(), "succeeds") != nullptr ? "succeeds, now or later" : seen;
}

Observed Recursive(const HeapApi& api) {
    Heap heap(api);
    bool good = true;
    for (int i = 0; i < 3; ++i) good = good && api.lock(heap);
    void* block = api.alloc(heap, 0, kMedium);
    for (int i = 0; i < 3; ++i) good = good && api.unlock(heap);
    const auto served = std::make_shared<std::atomic<bool>>(false);
    const Waiter other([api, handle = static_cast<HANDLE>(heap), served] {
        served->store(api.alloc(handle, 0, 12345) != nullptr);
    });
    if (!other.HasEndedWithin(10000)) return "still locked";
    return good && block != nullptr && served->load() ? "locked, unlocked" : "fails";
}

Observed HeldUntilTheLast(const HeapApi& api) {
    const HANDLE heap = api.create(0, 0, 0);
    api.lock(heap);
    api.lock(heap);
    api.unlock(heap);
    const Waiter other([api, heap] { api.alloc(heap, 0, 77777); });
    const bool waits = !other.HasEndedWithin(250);
    api.unlock(heap);
    return !other.HasEndedWithin(10000) ? "waits for ever" : waits ? "held" : "not held";
}

Observed OwnerGoesOn(const HeapApi& api) {
    Heap heap(api);
    if (!api.lock(heap)) return "not locked";
    std::vector<Block> live;
    bool good = true;
    for (size_t bytes : {size_t{0}, kSmall, kMedium, kLarge, kHuge}) {
        void* block = api.alloc(heap, 0, bytes);
        block = api.realloc(heap, 0, block, bytes + 100);
        good = good && block != nullptr && api.size(heap, 0, block) == bytes + 100;
        live.push_back({block, bytes + 100});
    }
    good = good && std::strcmp(CompareBusy(WalkAll(api, heap), live).text(), "exact") == 0;
    for (const Block& block : live) good = good && api.free(heap, 0, block.address);
    good = good && api.validate(heap, 0, nullptr);
    return api.unlock(heap) && good ? "goes on" : "fails";
}

Observed OtherHeapsAreFree(const HeapApi& api) {
    Heap locked(api), other(api);
    api.lock(locked);
    const auto served = std::make_shared<std::atomic<bool>>(false);
    const Waiter thread([api, heap = static_cast<HANDLE>(other), served] {
        for (size_t bytes : {size_t{50}, size_t{6000}, size_t{250000}, size_t{4000000}}) {
            void* block = api.alloc(heap, 0, bytes);
            served->store(block != nullptr && api.free(heap, 0, block));
        }
    });
    const bool ended = thread.HasEndedWithin(5000);
    api.unlock(locked);
    if (!ended) thread.HasEndedWithin(10000);
    return ended && served->load() ? "go on" : "wait";
}

constexpr char kWaits[] = "waits, then succeeds";

const Rule kRules[] = {
    {"lock.recursive", "Three times locked and unlocked", "locked, unlocked", "HeapUnlock",
     Recursive},
    {"lock.held", "Twice locked and once unlocked", "held", "HeapUnlock", HeldUntilTheLast},
    {"lock.owner", "The owner allocates, resizes, walks and frees", "goes on", "HeapLock",
     OwnerGoesOn},
    {"lock.alloc.small", "HeapAlloc of 40 bytes in a new thread", kWaits, "HeapLock",
     AllocWhileLocked<kSmall>},
    {"lock.alloc.medium", "HeapAlloc of 5000 bytes in a new thread", kWaits, "HeapLock",
     AllocWhileLocked<kMedium>},
    {"lock.alloc.large", "HeapAlloc of 200 KiB in a new thread", kWaits, "HeapLock",
     AllocWhileLocked<kLarge>},
    {"lock.alloc.huge", "HeapAlloc of 3 MiB in a new thread", kWaits, "HeapLock",
     AllocWhileLocked<kHuge>},
    {"lock.free.small", "HeapFree of 40 bytes in a new thread", kWaits, "HeapLock",
     FreeWhileLocked<kSmall>},
    {"lock.free.large", "HeapFree of 200 KiB in a new thread", kWaits, "HeapLock",
     FreeWhileLocked<kLarge>},
    {"lock.warm", "A thread that used the size before", "succeeds, now or later",
     "Low-fragmentation Heap", WarmSize},
    {"lock.other_heaps", "Other heaps, in another thread", "go on", "HeapLock", OtherHeapsAreFree},
};

}  // namespace

const Topic kLocks = MakeTopic("locks", kRules);

}  // namespace conformance

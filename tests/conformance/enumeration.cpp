// HeapSummary, HeapCompact and GetProcessHeaps.
#include "support.h"

#include <algorithm>
#include <cstring>

namespace conformance {

namespace {

// --- HeapSummary ---

Observed SummaryNeedsSize(const HeapApi& api) {
    if (api.summary == nullptr) return kNotExported;
    Heap heap(api);
    HeapSummaryData data = {};
    return api.summary(heap, 0, &data) ? "TRUE" : "FALSE";
}

Observed SummaryOfLive(const HeapApi& api) {
    if (api.summary == nullptr) return kNotExported;
    Heap heap(api);
    HeapSummaryData data = {};
    data.cb = sizeof data;
    size_t live = 0;
    for (size_t bytes : {size_t{0}, kSmall, kMedium, kLarge, kHuge, 20 * kMiB}) {
        api.alloc(heap, 0, bytes);
        live += bytes;
        if (!api.summary(heap, 0, &data)) return Say("FALSE, %s", ErrorNow());
        if (data.cbAllocated < live) return "cbAllocated below what is live";
        if (data.cbCommitted < data.cbAllocated) return "cbCommitted below cbAllocated";
        if (data.cbReserved < data.cbCommitted) return "cbReserved below cbCommitted";
        if (data.cbMaxReserve < data.cbReserved) return "cbMaxReserve below cbReserved";
    }
    return "live <= allocated <= committed <= reserved";
}

Observed SummaryFalls(const HeapApi& api) {
    if (api.summary == nullptr) return kNotExported;
    Heap heap(api);
    HeapSummaryData before = {}, full = {}, after = {};
    before.cb = full.cb = after.cb = sizeof before;
    api.summary(heap, 0, &before);
    std::vector<Block> blocks;
    for (int i = 0; i < 50; ++i) blocks.push_back({api.alloc(heap, 0, kMedium), kMedium});
    api.summary(heap, 0, &full);
    FreeAll(api, heap, blocks);
    api.summary(heap, 0, &after);
    return after.cbAllocated == before.cbAllocated && full.cbAllocated > after.cbAllocated
               ? "falls back"
               : "does not fall back";
}

// --- HeapCompact ---

Observed CompactAfterFree(const HeapApi& api) {
    Heap heap(api);
    std::vector<Block> blocks;
    for (int i = 0; i < 30; ++i) blocks.push_back({api.alloc(heap, 0, 3000), 3000});
    for (size_t i = 5; i < 15; ++i) api.free(heap, 0, blocks[i].address);
    return api.compact(heap, 0) != 0 ? "a size" : Say("0, %s", ErrorNow());
}

// In a full heap of fixed size the hole that one block leaves is the largest free block.
Observed CompactNamesTheLargest(const HeapApi& api) {
    Heap heap(api, 0, 0, 512 * kKiB);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    std::vector<Block> blocks = Fill(api, heap, {3000});
    Fill(api, heap, {1000, 100, 0});
    const SIZE_T full = api.compact(heap, 0);
    api.free(heap, 0, blocks[blocks.size() / 2].address);
    const SIZE_T hole = api.compact(heap, 0);
    if (full >= 1000) return "no full heap";
    return hole >= 3000 && hole < 3200 ? "its size" : hole == 0 ? "0" : "another size";
}

// Freed neighbours are one free block: in a full heap of fixed size, the hole that three of them
// leave.
Observed CompactOfNeighbours(const HeapApi& api) {
    Heap heap(api, 0, 0, 512 * kKiB);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    std::vector<Block> blocks = Fill(api, heap, {3000});
    std::sort(blocks.begin(), blocks.end(),
              [](const Block& a, const Block& b) { return a.address < b.address; });
    Fill(api, heap, {1000, 100, 0});
    const size_t middle = blocks.size() / 2;
    for (size_t i : {middle - 1, middle + 1, middle}) api.free(heap, 0, blocks[i].address);
    const SIZE_T hole = api.compact(heap, 0);
    return hole >= 9000 && hole < 10000 ? "the size of all" : hole == 0 ? "0" : "another size";
}

// What HeapWalk calls the largest free block is what HeapCompact names, or less.
Observed CompactAgreesWithWalk(const HeapApi& api, DWORD options) {
    Heap heap(api, options);
    std::vector<Block> blocks;
    for (int i = 0; i < 300; ++i) blocks.push_back({api.alloc(heap, 0, 3000), 3000});
    for (int i = 0; i < 20; ++i) blocks.push_back({api.alloc(heap, 0, 30000), 30000});
    for (size_t i = 100; i < 200; ++i) api.free(heap, 0, blocks[i].address);
    api.free(heap, 0, blocks[310].address);
    size_t largest = 0;
    const Walked walked = WalkAll(api, heap);
    for (const PROCESS_HEAP_ENTRY& entry : walked.entries) {
        if (entry.wFlags == 0) largest = std::max<size_t>(largest, entry.cbData);
    }
    const SIZE_T named = api.compact(heap, 0);
    if (largest == 0) return "HeapWalk names no free block";
    return named == 0 ? "0" : named >= largest ? "as much or more" : "less than HeapWalk";
}

size_t CommittedPagesOf(const std::vector<Block>& blocks) {
    size_t pages = 0;
    for (const Block& block : blocks) {
        for (size_t at = 0; at < block.bytes; at += 4 * kKiB) {
            MEMORY_BASIC_INFORMATION information = {};
            VirtualQuery(static_cast<char*>(block.address) + at, &information, sizeof information);
            pages += information.State == MEM_COMMIT ? 1 : 0;
        }
    }
    return pages;
}

// Half of the pages, because where the border between large and small lies is the system's
// business.
Observed CompactPurges(const HeapApi& api) {
    Heap heap(api);
    std::vector<Block> blocks;
    for (int i = 0; i < 40; ++i) {
        blocks.push_back({api.alloc(heap, 0, 100 * kKiB), 100 * kKiB});
        std::memset(blocks.back().address, 1, blocks.back().bytes);
    }
    const Block last = blocks.back();  // keeps the heap from shrinking at its end
    blocks.pop_back();
    const size_t before = CommittedPagesOf(blocks);
    for (const Block& block : blocks) api.free(heap, 0, block.address);
    api.compact(heap, 0);
    if (!api.validate(heap, 0, last.address)) return "heap damaged";
    return CommittedPagesOf(blocks) <= before / 2 ? "given back" : "still committed";
}

Observed CompactKeeps(const HeapApi& api) {
    Heap heap(api);
    std::vector<Block> live;
    for (size_t bytes : {kSmall, kMedium, kLarge, kHuge}) {
        for (int i = 0; i < 8; ++i) {
            void* block = api.alloc(heap, 0, bytes);
            Stamp(block, bytes, 1);
            live.push_back({block, bytes});
        }
        api.free(heap, 0, live.back().address);
        live.pop_back();
    }
    api.compact(heap, 0);
    for (const Block& block : live) {
        if (!IsStamped(block.address, block.bytes, block.bytes, 1)) return "contents lost";
    }
    return api.validate(heap, 0, nullptr) ? CompareBusy(WalkAll(api, heap), live).text()
                                          : "heap damaged";
}

Observed CompactWhenFull(const HeapApi& api) {
    Heap heap(api, 0, 0, 256 * kKiB);
    if (!heap.ok()) return Say("no heap, %s", ErrorNow());
    // Larger ones first, then whatever still fits.
    for (size_t bytes = 64 * kKiB; bytes != 0; bytes /= 2) Fill(api, heap, {bytes});
    Fill(api, heap, {0});
    SeedError();
    const SIZE_T largest = api.compact(heap, 0);
    return largest == 0 ? Say("0, %s", ErrorNow()) : Observed("a size");
}

// --- GetProcessHeaps ---

std::vector<HANDLE> Heaps(const HeapApi& api) {
    std::vector<HANDLE> heaps(4096);
    heaps.resize(std::min<size_t>(api.process_heaps(4096, heaps.data()), 4096));
    return heaps;
}

size_t Position(const std::vector<HANDLE>& heaps, HANDLE heap) {
    return static_cast<size_t>(std::find(heaps.begin(), heaps.end(), heap) - heaps.begin());
}

Observed CountAgrees(const HeapApi& api) {
    Heap first(api), second(api);
    const size_t stored = Heaps(api).size();
    const DWORD counted = api.process_heaps(0, nullptr);
    return stored == counted && counted >= 3 ? "the number of heaps" : "another number";
}

Observed ProcessHeapPlace(const HeapApi& api) {
    Heap other(api);
    const std::vector<HANDLE> heaps = Heaps(api);
    const size_t place = Position(heaps, api.process_heap());
    return place == heaps.size() ? "missing" : place == 0 ? "first" : "not first";
}

Observed AppearsAndDisappears(const HeapApi& api) {
    const std::vector<HANDLE> before = Heaps(api);
    Heap heap(api);
    HANDLE handle = heap;
    const std::vector<HANDLE> during = Heaps(api);
    heap.Destroy();
    const std::vector<HANDLE> after = Heaps(api);
    if (Position(during, handle) == during.size()) return "does not appear";
    if (Position(after, handle) != after.size()) return "does not disappear";
    return during.size() == before.size() + 1 && after == before ? "appears, disappears"
                                                                 : "others change as well";
}

Observed NewestIsLast(const HeapApi& api) {
    Heap older(api), newer(api);
    const std::vector<HANDLE> heaps = Heaps(api);
    return heaps.back() == newer && Position(heaps, older) + 2 == heaps.size() ? "last"
                                                                               : "elsewhere";
}

Observed ShortBuffer(const HeapApi& api) {
    Heap first(api), second(api);
    const HANDLE untouched = reinterpret_cast<HANDLE>(uintptr_t{0x5A5A});
    HANDLE buffer[4] = {untouched, untouched, untouched, untouched};
    const DWORD count = api.process_heaps(2, buffer);
    const std::vector<HANDLE> all = Heaps(api);
    const bool filled =
        Position(all, buffer[0]) < all.size() && Position(all, buffer[1]) < all.size();
    return Say("%s, %s", count == all.size() ? "whole number" : "another number",
               buffer[2] != untouched ? "beyond the buffer"
               : filled               ? "buffer filled"
                                      : "buffer not filled");
}

Observed SameProcessHeap(const HeapApi& api) {
    const HANDLE here = api.process_heap();
    HANDLE there = nullptr;
    InOtherThread([&] { there = api.process_heap(); });
    return here != nullptr && here == there ? "one heap" : "several";
}

const Rule kRules[] = {
    {"summary.cb", "HeapSummary with cb not set", "FALSE", "HeapSummary", SummaryNeedsSize},
    {"summary.live", "Totals while blocks of 0 bytes to 20 MiB are allocated",
     "live <= allocated <= committed <= reserved", "HEAP_SUMMARY", SummaryOfLive},
    {"summary.freed", "cbAllocated when all has been freed", "falls back", "HEAP_SUMMARY",
     SummaryFalls},
    {"compact.free", "HeapCompact of a heap with free blocks", "a size", "HeapCompact",
     CompactAfterFree},
    {"compact.largest", "HeapCompact when one block of a full heap was freed", "its size",
     "HeapCompact", CompactNamesTheLargest},
    {"compact.neighbours", "The same when three neighbours were freed", "the size of all",
     "HeapCompact", CompactOfNeighbours},
    {"compact.walk", "HeapCompact's size beside the largest free entry of HeapWalk",
     "as much or more", "HeapCompact",
     [](const HeapApi& api) { return CompactAgreesWithWalk(api, 0); }},
    {"compact.walk.no_serialize", "The same in a heap created with HEAP_NO_SERIALIZE",
     "as much or more", "HeapCompact",
     [](const HeapApi& api) { return CompactAgreesWithWalk(api, HEAP_NO_SERIALIZE); }},
    {"compact.purges", "Memory of freed blocks of 100 KiB after HeapCompact", "given back",
     "HeapCompact", CompactPurges},
    {"compact.keeps", "HeapCompact leaves live blocks alone", "exact", "HeapCompact", CompactKeeps},
    {"compact.full", "HeapCompact of a full heap", "0, NO_ERROR", "HeapCompact", CompactWhenFull},
    {"heaps.count", "GetProcessHeaps with a large buffer, and with none", "the number of heaps",
     "GetProcessHeaps", CountAgrees},
    {"heaps.process_heap", "The process heap's place", "first", "ReactOS tests", ProcessHeapPlace},
    {"heaps.private", "A private heap in the list", "appears, disappears", "GetProcessHeaps",
     AppearsAndDisappears},
    {"heaps.newest", "The newest heap's place", "last", "ReactOS tests", NewestIsLast},
    {"heaps.short_buffer", "GetProcessHeaps with a short buffer", "whole number, buffer filled",
     "GetProcessHeaps", ShortBuffer},
    {"heaps.get_process_heap", "GetProcessHeap in two threads", "one heap", "GetProcessHeap",
     SameProcessHeap},
};

}  // namespace

const Topic kEnumeration = MakeTopic("totals and lists", kRules);

}  // namespace conformance

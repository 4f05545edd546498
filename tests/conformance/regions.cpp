// Heaps in memory that the caller brings: VirtualAlloc's, a view of the paging file, a view of a
// file. On a system's own heap, RtlCreateHeap with a base address.
#include "support.h"

#include <cstring>

namespace conformance {

namespace {

constexpr size_t kPage = 4096, kMargin = 64 * kKiB, kBytes = 4 * kMiB;

enum class Kind { kVirtual, kPagingFile, kFile };

// Memory with a margin before and behind, which holds a pattern and may only be read.
class Memory {
public:
    explicit Memory(Kind kind) : kind_(kind) {
        constexpr size_t kAll = kBytes + 2 * kMargin;
        if (kind == Kind::kVirtual) {
            all_ = VirtualAlloc(nullptr, kAll, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        } else {
            if (kind == Kind::kFile) OpenFile();
            mapping_ = CreateFileMappingW(file_, nullptr, PAGE_READWRITE, 0, kAll, nullptr);
            all_ = MapViewOfFile(mapping_, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, 0);
        }
        if (all_ == nullptr) return;
        for (char* margin : {base() - kMargin, base() + kBytes}) {
            std::memset(margin, 0x3C, kMargin);
            DWORD old;
            VirtualProtect(margin, kMargin, PAGE_READONLY, &old);
        }
    }
    ~Memory() {
        if (all_ != nullptr) Release();
        if (mapping_ != nullptr) CloseHandle(mapping_);
        if (file_ != INVALID_HANDLE_VALUE) CloseHandle(file_);
    }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    bool ok() const { return all_ != nullptr; }
    char* base() const { return static_cast<char*>(all_) + kMargin; }
    bool Contains(const void* address, size_t bytes) const {
        auto* at = static_cast<const char*>(address);
        return at >= base() && at + bytes <= base() + kBytes;
    }
    bool MarginsAreWhole() const {
        return IsFilled(base() - kMargin, 0, kMargin, 0x3C) &&
               IsFilled(base() + kBytes, 0, kMargin, 0x3C);
    }
    // Is every page still there, and writable? Leaves all of it zero.
    bool IsMapped() const {
        MEMORY_BASIC_INFORMATION information = {};
        for (size_t at = 0; at < kBytes; at += information.RegionSize) {
            if (VirtualQuery(base() + at, &information, sizeof information) == 0) return false;
            if (information.State != MEM_COMMIT || information.Protect != PAGE_READWRITE)
                return false;
            if (information.AllocationBase != all_) return false;
        }
        std::memset(base(), 0, kBytes);
        return IsFilled(base(), 0, kBytes, 0);
    }
    bool Release() {
        void* all = all_;
        all_ = nullptr;
        return kind_ == Kind::kVirtual ? VirtualFree(all, 0, MEM_RELEASE) != FALSE
                                       : UnmapViewOfFile(all) != FALSE;
    }

private:
    void OpenFile() {
        wchar_t folder[MAX_PATH + 1], path[MAX_PATH + 1];
        if (GetTempPathW(MAX_PATH, folder) == 0) return;
        if (GetTempFileNameW(folder, L"cnf", 0, path) == 0) return;
        file_ = CreateFileW(path, GENERIC_READ | GENERIC_WRITE, 0, nullptr, CREATE_ALWAYS,
                            FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, nullptr);
    }

    Kind kind_;
    HANDLE file_ = INVALID_HANDLE_VALUE;
    HANDLE mapping_ = nullptr;
    void* all_ = nullptr;
};

// Runs `body(memory, heap)` on a heap in memory of that kind.
template <typename Body>
Observed InRegion(const HeapApi& api, Kind kind, Body body) {
    if (api.create_in_region == nullptr) return kNotExported;
    Memory memory(kind);
    if (!memory.ok()) return "no memory";
    SeedError();
    Heap heap(api, api.create_in_region(0, memory.base(), kBytes));
    if (!heap.ok()) return Say("NULL, %s", ErrorNow());
    return body(memory, heap);
}

template <Kind kind>
Observed BlocksInside(const HeapApi& api) {
    return InRegion(api, kind, [&](const Memory& memory, HANDLE heap) -> Observed {
        for (size_t bytes : {size_t{0}, size_t{1}, kSmall, size_t{1000}, kMedium, size_t{70000},
                             kLarge, size_t{450000}}) {
            void* block = api.alloc(heap, HEAP_ZERO_MEMORY, bytes);
            if (block == nullptr) return Say("no block of %zu bytes", bytes);
            if (!memory.Contains(block, bytes)) return Say("%zu bytes: outside", bytes);
            if (!IsZero(block, 0, bytes)) return "not zero";
            if (api.size(heap, 0, block) != bytes) return "HeapSize wrong";
            Stamp(block, bytes, 1);
            void* resized = api.realloc(heap, HEAP_ZERO_MEMORY, block, bytes + 333);
            if (resized == nullptr || !memory.Contains(resized, bytes + 333))
                return "resized: outside";
            if (!IsStamped(resized, bytes, bytes, 1) || !IsZero(resized, bytes, bytes + 333)) {
                return "resized: damaged";
            }
            if (!api.validate(heap, 0, resized)) return "invalid";
        }
        return api.validate(heap, 0, nullptr) ? "inside" : "heap damaged";
    });
}

template <Kind kind>
Observed WalkInside(const HeapApi& api) {
    return InRegion(api, kind, [&](const Memory& memory, HANDLE heap) -> Observed {
        std::vector<Block> live;
        for (size_t bytes : {size_t{0}, kSmall, kMedium, kLarge, kSmall}) {
            live.push_back({api.alloc(heap, 0, bytes), bytes});
        }
        api.free(heap, 0, live.back().address);
        live.pop_back();
        const Walked walked = WalkAll(api, heap);
        for (const PROCESS_HEAP_ENTRY& entry : walked.entries) {
            if (!memory.Contains(entry.lpData, entry.cbData)) return "an entry outside";
        }
        return CompareBusy(walked, live);
    });
}

template <Kind kind>
Observed Full(const HeapApi& api) {
    return InRegion(api, kind, [&](const Memory& memory, HANDLE heap) -> Observed {
        size_t first = 0;
        for (int round = 0; round < 3; ++round) {
            std::vector<Block> blocks = Fill(api, heap, {3000, 100, 20000, 16, 100000});
            SeedError();
            if (api.alloc(heap, 0, 100000) != nullptr) return "never full";
            if (GetLastError() != ERROR_NOT_ENOUGH_MEMORY) return Say("NULL, %s", ErrorNow());
            for (const Block& block : blocks) {
                if (!memory.Contains(block.address, block.bytes)) return "a block outside";
                std::memset(block.address, 0x99, block.bytes);
            }
            const size_t total = TotalBytes(blocks);
            if (round == 0) first = total;
            if (total > kBytes) return "more than the region";
            if (total < kBytes / 2) return "less than half of the region";
            if (total < first / 10 * 9) return "less than before";
            FreeAll(api, heap, blocks);
        }
        return "NULL, ERROR_NOT_ENOUGH_MEMORY; reusable";
    });
}

template <Kind kind>
Observed NothingOutside(const HeapApi& api) {
    return InRegion(api, kind, [&](const Memory& memory, HANDLE heap) -> Observed {
        std::vector<Block> blocks = Fill(api, heap, {5000, 10, 130000, 700});
        for (const Block& block : blocks) std::memset(block.address, 0x99, block.bytes);
        FreeAll(api, heap, blocks);
        api.compact(heap, 0);
        return memory.MarginsAreWhole() ? "untouched" : "written";
    });
}

template <Kind kind>
Observed Destroy(const HeapApi& api) {
    if (api.create_in_region == nullptr) return kNotExported;
    Memory memory(kind);
    for (int round = 0; round < 3; ++round) {
        Heap heap(api, api.create_in_region(0, memory.base(), kBytes));
        if (!heap.ok()) return Say("NULL, %s", ErrorNow());
        Fill(api, heap, {40000, 200});
        SeedError();
        if (!heap.Destroy()) return Say("FALSE, %s", ErrorNow());
        if (!memory.IsMapped()) return "TRUE, memory gone";
        if (!memory.MarginsAreWhole()) return "TRUE, written outside";
    }
    return memory.Release() ? "TRUE, memory stays" : "TRUE, memory cannot be released";
}

// What lies in the memory before is nobody's concern: a view of an old file, say.
Observed NotZero(const HeapApi& api) {
    if (api.create_in_region == nullptr) return kNotExported;
    Memory memory(Kind::kVirtual);
    std::memset(memory.base(), 0x77, kBytes);
    Heap heap(api, api.create_in_region(0, memory.base(), kBytes));
    if (!heap.ok()) return Say("NULL, %s", ErrorNow());
    for (size_t bytes : {kSmall, kMedium, kLarge}) {
        void* block = api.alloc(heap, HEAP_ZERO_MEMORY, bytes);
        if (block == nullptr || !memory.Contains(block, bytes)) return "no block inside";
        if (!IsZero(block, 0, bytes)) return "not zero";
    }
    return api.validate(heap, 0, nullptr) ? "a heap that serves" : "heap damaged";
}

Observed PageAligned(const HeapApi& api) {
    if (api.create_in_region == nullptr) return kNotExported;
    Memory memory(Kind::kVirtual);
    char* base = memory.base() + kPage;
    constexpr size_t kPart = kMiB + kPage;
    DWORD old;
    VirtualProtect(base + kPart, kPage, PAGE_READONLY, &old);
    SeedError();
    Heap heap(api, api.create_in_region(0, base, kPart));
    if (!heap.ok()) return Say("NULL, %s", ErrorNow());
    auto* block = static_cast<char*>(api.alloc(heap, 0, 1000));
    return block >= base && block + 1000 <= base + kPart ? "a heap that serves" : "block outside";
}

Observed Listed(const HeapApi& api) {
    return InRegion(api, Kind::kVirtual, [&](const Memory&, HANDLE heap) -> Observed {
        HANDLE heaps[256];
        const DWORD count = api.process_heaps(256, heaps);
        for (DWORD i = 0; i < count && i < 256; ++i) {
            if (heaps[i] == heap) return "listed";
        }
        return "not listed";
    });
}

Observed LargestBlock(const HeapApi& api) {
    return InRegion(api, Kind::kVirtual, [&](const Memory&, HANDLE heap) -> Observed {
        const bool fits = api.alloc(heap, 0, 0x7E000) != nullptr;
        SeedError();
        const bool larger = api.alloc(heap, 0, kMiB) != nullptr;
        return Say("0x7E000: %s; 1 MiB: %s", fits ? "a block" : "NULL",
                   larger ? "a block" : ErrorNow());
    });
}

Observed NoMemory(const HeapApi& api) {
    if (api.create_in_region == nullptr) return kNotExported;
    SeedError();
    const HANDLE heap = api.create_in_region(0, nullptr, kBytes);
    return Say("%s, %s", heap == nullptr ? "NULL" : "a heap", ErrorNow());
}

#define REGION_RULES(name, kind, where)                                                          \
    {"region." name ".blocks", "Blocks of 0 to 450,000 bytes in " where, "inside",               \
     "ntifs RtlCreateHeap", BlocksInside<Kind::kind>},                                           \
        {"region." name ".walk", "HeapWalk of a heap in " where, "exact", "ntifs RtlCreateHeap", \
         WalkInside<Kind::kind>},                                                                \
        {"region." name ".full", "A heap in " where ", filled three times",                      \
         "NULL, ERROR_NOT_ENOUGH_MEMORY; reusable", "ntifs RtlCreateHeap", Full<Kind::kind>},    \
        {"region." name ".outside", "The bytes before and behind " where, "untouched",           \
         "ntifs RtlCreateHeap", NothingOutside<Kind::kind>},                                     \
    {                                                                                            \
        "region." name ".destroy", "HeapDestroy of heaps in " where, "TRUE, memory stays",       \
            "ntifs RtlCreateHeap", Destroy<Kind::kind>                                           \
    }

const Rule kRules[] = {
    REGION_RULES("virtual", kVirtual, "memory of VirtualAlloc"),
    REGION_RULES("paging_file", kPagingFile, "a view of the paging file"),
    REGION_RULES("file", kFile, "a view of a file"),
    {"region.not_zero", "Memory that is not zero when the heap is created", "a heap that serves",
     "ntifs RtlCreateHeap", NotZero},
    {"region.page_aligned", "Memory that begins at a page, not at a multiple of 64 KiB",
     "a heap that serves", "ntifs RtlCreateHeap", PageAligned},
    {"region.listed", "GetProcessHeaps", "listed", "GetProcessHeaps", Listed},
    {"region.largest", "Blocks of 0x7E000 bytes and of 1 MiB in a region of 4 MiB",
     "0x7E000: a block; 1 MiB: ERROR_NOT_ENOUGH_MEMORY", "ntifs RtlCreateHeap", LargestBlock},
    {"region.null", "A region at NULL", "NULL, ERROR_INVALID_PARAMETER",
     "include/strata/heap_api.h", NoMemory, Scope::kStrataOnly},
};

}  // namespace

const Topic kRegions = MakeTopic("regions", kRules);

}  // namespace conformance

// A log-structured store: entries of a few hundred bytes go to a table in memory; when that is full
// it is written, in order, into one large buffer, and four such runs are merged into one larger
// one. Small blocks by the ten thousand that go all at once, and buffers that grow to many
// megabytes.
#include <algorithm>

#include "containers.h"
#include "draw.h"
#include "workload.h"

namespace bench {

namespace {

constexpr size_t kTableBytes = size_t{1} << 20;
constexpr size_t kRunsToMerge = 4;
constexpr size_t kLevels = 2;

struct Entry {
    uint64_t key;
    size_t size;
    char* value;
};

// Records of key, size and value, one after the other, by key.
struct Run {
    char* bytes;
    size_t size;
};

struct Record {
    uint64_t key;
    size_t size;
};

Record ReadRecord(const Run& run, size_t at) {
    Record record;
    __builtin_memcpy(&record, run.bytes + at, sizeof(record));
    return record;
}

class Store {
public:
    ~Store() {
        Flush();
        for (Vector<Run>& level : levels_) {
            for (const Run& run : level) Free(run.bytes);
        }
    }

    void Put(uint64_t key, size_t size) {
        auto* value = static_cast<char*>(MallocOrEnd(size));
        __builtin_memset(value, static_cast<int>(key & 0x7f), size);
        Entry& entry = table_[key];
        if (entry.value != nullptr) {
            table_bytes_ -= entry.size;
            Free(entry.value);
        }
        entry = {key, size, value};
        table_bytes_ += size;
        if (table_bytes_ >= kTableBytes) Flush();
    }

    uint64_t checksum() const { return checksum_; }

private:
    void Flush() {
        Buffer buffer;
        for (const auto& [key, entry] : table_) {
            const Record record = {key, entry.size};
            buffer.Append(&record, sizeof(record));
            buffer.Append(entry.value, entry.size);
            Free(entry.value);
        }
        table_.clear();
        table_bytes_ = 0;
        AddRun(0, &buffer);
    }

    void AddRun(size_t level, Buffer* buffer) {
        const size_t size = buffer->size();
        levels_[level].push_back({buffer->Take(), size});
        if (levels_[level].size() < kRunsToMerge) return;
        Buffer merged;
        Merge(levels_[level], &merged);
        MarkPeak();
        for (const Run& run : levels_[level]) Free(run.bytes);
        levels_[level].clear();
        checksum_ = Mix(checksum_, merged.size());
        // The lowest level is kept by others, in a real store on a disk.
        if (level + 1 < kLevels) AddRun(level + 1, &merged);
    }

    // The newest of those with the same key wins.
    void Merge(const Vector<Run>& runs, Buffer* merged) {
        size_t at[kRunsToMerge] = {};
        for (;;) {
            size_t best = kRunsToMerge;
            Record record = {};
            for (size_t i = 0; i < kRunsToMerge; ++i) {
                if (at[i] >= runs[i].size) continue;
                const Record candidate = ReadRecord(runs[i], at[i]);
                if (best == kRunsToMerge || candidate.key < record.key) {
                    best = i;
                    record = candidate;
                } else if (candidate.key == record.key) {
                    at[best] += sizeof(record) + record.size;
                    best = i;
                    record = candidate;
                }
            }
            if (best == kRunsToMerge) return;
            merged->Append(runs[best].bytes + at[best], sizeof(record) + record.size);
            at[best] += sizeof(record) + record.size;
            checksum_ = Mix(checksum_, record.key);
        }
    }

    TreeMap<uint64_t, Entry> table_;
    size_t table_bytes_ = 0;
    Vector<Run> levels_[kLevels];
    uint64_t checksum_ = 0;
};

}  // namespace

uint64_t RunMemtable(const Task& task) {
    Random random(task.seed);
    Store store;
    const size_t puts = task.Scaled(1'200'000);
    for (size_t i = 0; i < puts; ++i) store.Put(random.Below(400'000), random.LogBetween(64, 1024));
    return store.checksum();
}

}  // namespace bench

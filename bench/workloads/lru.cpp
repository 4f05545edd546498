// A cache that holds so many bytes and drops what was not asked for longest. Keys follow Zipf's
// law, values are of all sizes: what a long-running service does to a heap.
#include "containers.h"
#include "draw.h"
#include "workload.h"

namespace bench {

namespace {

struct Entry {
    uint64_t key;
    size_t size;
    uint64_t* value;
    Entry* newer = nullptr;
    Entry* older = nullptr;
};

class Cache {
public:
    explicit Cache(size_t capacity) : capacity_(capacity) { ends_.newer = ends_.older = &ends_; }
    ~Cache() {
        while (ends_.newer != &ends_) Drop(ends_.newer);
    }

    // The first word of the value; of a new one of `size` bytes when the key is not there.
    uint64_t Ask(uint64_t key, size_t size) {
        const auto found = entries_.find(key);
        if (found != entries_.end()) {
            Entry* entry = found->second;
            Unlink(entry);
            LinkAsNewest(entry);
            return *entry->value;
        }
        auto* value = static_cast<uint64_t*>(MallocOrEnd(size));
        for (size_t i = 0; i < size / sizeof(uint64_t); i += 8) value[i] = key * 31 + size + i;
        auto* entry = New<Entry>(key, size, value);
        entries_.emplace(key, entry);
        LinkAsNewest(entry);
        bytes_ += size;
        while (bytes_ > capacity_) Drop(ends_.newer);
        return size;
    }

private:
    static void Unlink(Entry* entry) {
        entry->newer->older = entry->older;
        entry->older->newer = entry->newer;
    }
    // `ends_.older` is the newest and `ends_.newer` the oldest: the list is a ring.
    void LinkAsNewest(Entry* entry) {
        entry->newer = &ends_;
        entry->older = ends_.older;
        ends_.older->newer = entry;
        ends_.older = entry;
    }
    void Drop(Entry* entry) {
        Unlink(entry);
        entries_.erase(entry->key);
        bytes_ -= entry->size;
        Free(entry->value);
        Delete(entry);
    }

    const size_t capacity_;
    size_t bytes_ = 0;
    HashMap<uint64_t, Entry*> entries_;
    Entry ends_ = {};
};

}  // namespace

uint64_t RunLru(const Task& task) {
    Random random(task.seed);
    Cache cache(size_t{24} << 20);
    uint64_t checksum = 0;
    const size_t questions = task.Scaled(3'500'000);
    for (size_t i = 0; i < questions; ++i) {
        // The hot keys change slowly, and with them the sizes.
        const uint64_t key = random.Zipf(400'000) + i / 200'000 * 1'000;
        const size_t size = 32 + (key * 0x9e3779b97f4a7c15u >> 40) % (key % 16 == 0 ? 8'000 : 480);
        checksum = Mix(checksum, cache.Ask(key, size));
        if (i % 500'000 == 499'999) MarkPeak();
    }
    MarkPeak();
    return checksum;
}

}  // namespace bench

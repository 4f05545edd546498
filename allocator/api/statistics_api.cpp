// Statistics for programs: as a structure and as JSON.
#include <strata/strata.h>

#include <cstring>

#include "base/size_classes.h"
#include "heap/statistics.h"
#include "os/text.h"

namespace {

namespace heap = strata::heap;
namespace os = strata::os;

// docs/statistics.md. A field that is added leaves it as it is; one that goes or changes its
// meaning counts it up.
constexpr uint64_t kJsonFormat = 1;

strata_statistics Gather() noexcept {
    heap::Statistics from;
    heap::Collect(from);
    strata_statistics to = {};
    to.struct_size = sizeof to;
    to.reserved = from.reserved;
    to.committed = from.committed;
    to.peak_committed = from.peak_committed;
    to.metadata = from.metadata;
    to.live_blocks = from.live_blocks;
    to.live_bytes = from.live_bytes;
    to.heaps = from.heaps;
    to.arenas = from.arenas;
    to.commit_calls = from.commit_calls;
    to.decommit_calls = from.decommit_calls;
    to.reserve_calls = from.reserve_calls;
    to.release_calls = from.release_calls;
    return to;
}

// Collects text in a fixed buffer and hands it over piece by piece.
class JsonWriter {
public:
    JsonWriter(strata_write_fn write, void* context) noexcept : write_(write), context_(context) {}
    ~JsonWriter() { Flush(); }
    JsonWriter(const JsonWriter&) = delete;
    JsonWriter& operator=(const JsonWriter&) = delete;

    void Raw(const char* text) noexcept {
        if (buffer_.room() < 128) Flush();
        buffer_.Put(text);
    }
    void Field(const char* name, uint64_t value) noexcept {
        Raw(comma_ ? ",\"" : "\"");
        buffer_.Put(name).Put("\":").PutDecimal(value);
        comma_ = true;
    }
    void Open(const char* text) noexcept {
        if (comma_) Raw(",");
        Raw(text);
        comma_ = false;
    }
    void Close(const char* text) noexcept {
        Raw(text);
        comma_ = true;
    }

private:
    void Flush() noexcept {
        if (buffer_.length() != 0) write_(context_, buffer_.text(), buffer_.length());
        buffer_.Clear();
    }

    strata_write_fn write_;
    void* context_;
    bool comma_ = false;
    os::TextBuffer<1024> buffer_;
};

void WritePart(JsonWriter& out, const heap::ClassStatistics& part, bool runs) noexcept {
    out.Open("{");
    if (!runs) out.Field("block_bytes", part.block_bytes);
    out.Field(runs ? "runs" : "slabs", part.slabs);
    out.Field("live_blocks", part.live_blocks);
    out.Field("live_bytes", part.live_bytes);
    out.Field("committed", part.committed);
    out.Close("}");
}

// `write` may allocate from any heap, create others and destroy them: no heap is held while it
// runs. One that ends meanwhile is written as far as it was.
void WriteHeap(JsonWriter& out, const heap::HeapCursor& cursor) noexcept {
    heap::ClassStatistics part;
    bool alive = true;
    out.Open("{");
    out.Field("handle", reinterpret_cast<uintptr_t>(cursor.heap));
    out.Field("process_heap", cursor.is_process_heap ? 1 : 0);
    out.Open("\"classes\":[");
    for (size_t i = 0; alive && i < strata::kSizeClasses; ++i) {
        alive = heap::CollectPart(cursor, i, part);
        if (alive && part.slabs != 0) WritePart(out, part, false);
    }
    out.Close("]");
    if (alive) alive = heap::CollectPart(cursor, heap::kLargePart, part);
    out.Open("\"large\":");
    WritePart(out, alive ? part : heap::ClassStatistics{}, true);
    out.Field("ended", alive ? 0 : 1);
    out.Close("}");
}

}  // namespace

extern "C" {

int strata_get_statistics(strata_statistics* statistics) noexcept {
    const size_t size = statistics->struct_size;
    if (size < 2 * sizeof(size_t)) return 0;
    strata_statistics all = Gather();
    all.struct_size = size;
    std::memcpy(statistics, &all, size < sizeof all ? size : sizeof all);
    return 1;
}

void strata_write_statistics_json(strata_write_fn write, void* context) noexcept {
    const strata_statistics all = Gather();
    JsonWriter out(write, context);
    out.Open("{\"version\":\"" STRATA_VERSION_STRING "\",");
    out.Field("format", kJsonFormat);
    out.Field("reserved", all.reserved);
    out.Field("committed", all.committed);
    out.Field("peak_committed", all.peak_committed);
    out.Field("metadata", all.metadata);
    out.Field("live_blocks", all.live_blocks);
    out.Field("live_bytes", all.live_bytes);
    out.Field("heap_count", all.heaps);
    out.Field("arenas", all.arenas);
    out.Field("commit_calls", all.commit_calls);
    out.Field("decommit_calls", all.decommit_calls);
    out.Field("reserve_calls", all.reserve_calls);
    out.Field("release_calls", all.release_calls);
    out.Open("\"heaps\":[");
    heap::HeapCursor cursor = heap::AllHeaps();
    while (heap::NextHeap(cursor)) WriteHeap(out, cursor);
    out.Close("]");
    out.Raw("}\n");
}

}  // extern "C"

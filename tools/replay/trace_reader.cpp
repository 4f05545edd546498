#include "replay/trace_reader.h"

#include <algorithm>
#include <cstring>

namespace strata::replay {

using observe::ChunkHeader;
using observe::EndRecord;
using observe::EventKind;
using observe::FileHeader;

namespace {

// More than any process has; what is beyond is damage.
constexpr uint32_t kMaxThreads = 1 << 20;
// A thread's buffer holds no more events than this, so that no more can be missing.
constexpr uint64_t kMaxMissingOfThread = 1 << 15;

// Reads the parts of a file one after the other.
class Parts {
public:
    explicit Parts(Trace& trace) : trace_(trace), at_(0) {}

    void ReadFileHeader();
    void ReadPart();
    bool AtEnd() const { return at_ == trace_.bytes.size(); }
    uint64_t at() const { return at_; }
    void CheckWhole() const;

private:
    template <typename Header>
    Header Peek(const char* what) const {
        if (trace_.bytes.size() - at_ < sizeof(Header)) {
            throw TraceDamage(at_, std::string("the file ends inside ") + what);
        }
        Header header;
        std::memcpy(&header, trace_.bytes.data() + at_, sizeof header);
        return header;
    }
    void ReadChunk();
    void ReadEnd();
    void Keep(const ChunkHeader& header);

    Trace& trace_;
    uint64_t at_;
};

void Parts::ReadFileHeader() {
    const auto& bytes = trace_.bytes;
    if (bytes.size() < sizeof observe::kFileMagic ||
        std::memcmp(bytes.data(), observe::kFileMagic, sizeof observe::kFileMagic) != 0) {
        throw TraceDamage(0, "this is not a trace of Strata: it does not begin with STRTRACE");
    }
    const auto header = Peek<FileHeader>("its header");
    if (header.version != observe::kTraceVersion) {
        throw TraceDamage(8, "the trace has version " + std::to_string(header.version) +
                                 ", and this program reads version " +
                                 std::to_string(observe::kTraceVersion) + " only");
    }
    if (header.bytes != sizeof header)
        throw TraceDamage(12, "the header's size is not that of its version");
    if (header.checksum != observe::ChecksumOf(header)) {
        throw TraceDamage(0, "the header's checksum is wrong");
    }
    const auto* const end = std::find(std::begin(header.program), std::end(header.program), '\0');
    trace_.program.assign(header.program, end);
    trace_.process_id = header.process_id;
    trace_.started = header.started;
    at_ = sizeof header;
}

void Parts::ReadPart() {
    if (trace_.whole) throw TraceDamage(at_, "something follows the end of the trace");
    const auto magic = Peek<uint32_t>("what should be a chunk");
    if (magic == observe::kChunkMagic) return ReadChunk();
    if (magic == observe::kEndMagic) return ReadEnd();
    throw TraceDamage(at_, "this is neither a chunk nor the end");
}

void Parts::ReadChunk() {
    const auto header = Peek<ChunkHeader>("a chunk's header");
    if (header.bytes > observe::kMaxChunkBytes)
        throw TraceDamage(at_ + 4, "the chunk is impossibly large");
    if (header.bytes > trace_.bytes.size() - at_ - sizeof header) {
        throw TraceDamage(at_, "the file ends inside a chunk");
    }
    const uint32_t crc = observe::Crc32(observe::ChecksumOf(header),
                                        trace_.bytes.data() + at_ + sizeof header, header.bytes);
    if (crc != header.checksum) throw TraceDamage(at_, "the chunk's checksum is wrong");
    if (header.thread >= kMaxThreads)
        throw TraceDamage(at_ + 8, "the thread's number is impossibly large");
    if (header.events == 0 || header.events > header.bytes) {
        throw TraceDamage(at_ + 24, "the chunk cannot hold as many events as it says");
    }
    Keep(header);
    at_ += sizeof header + header.bytes;
}

void Parts::Keep(const ChunkHeader& header) {
    if (header.thread >= trace_.threads.size()) trace_.threads.resize(header.thread + 1);
    std::vector<Chunk>& chunks = trace_.threads[header.thread];
    // A thread that the system ended while it wrote: the chunk is there twice.
    if (!chunks.empty() && header.number == chunks.size() - 1 &&
        header.first_stamp == chunks.back().first_stamp && header.bytes == chunks.back().bytes) {
        return;
    }
    if (header.number != chunks.size()) {
        throw TraceDamage(at_, "chunk " + std::to_string(chunks.size()) + " of thread " +
                                   std::to_string(header.thread) + " is missing: here is chunk " +
                                   std::to_string(header.number));
    }
    chunks.push_back({at_ + sizeof header, header.bytes, header.events, header.first_stamp});
    trace_.events += header.events;
    trace_.milliseconds = std::max<uint64_t>(trace_.milliseconds, header.milliseconds);
}

void Parts::ReadEnd() {
    const auto end = Peek<EndRecord>("the end record");
    if (end.checksum != observe::ChecksumOf(end))
        throw TraceDamage(at_, "the end's checksum is wrong");
    trace_.whole = true;
    trace_.stamps = end.stamps;
    trace_.milliseconds = std::max<uint64_t>(trace_.milliseconds, end.milliseconds);
    at_ += sizeof end;
}

void Parts::CheckWhole() const {
    // A thread that the system ended inside a call, at the end of the process, has drawn a stamp
    // for nothing.
    if (trace_.whole &&
        (trace_.events > trace_.stamps || trace_.stamps - trace_.events > trace_.threads.size())) {
        throw TraceDamage(at_ - sizeof(EndRecord),
                          "the end speaks of " + std::to_string(trace_.stamps) +
                              " events, and there are " + std::to_string(trace_.events));
    }
}

constexpr uint8_t FlagsOf(EventKind kind) {
    using namespace observe;
    switch (kind) {
        case EventKind::kAllocate:
            return kZeroed | kFailed | kInHeap;
        case EventKind::kFree:
        case EventKind::kQuerySize:
        case EventKind::kCreateHeap:
            return kForeign;
        case EventKind::kResize:
            return kZeroed | kFailed | kForeign | kInPlace;
        case EventKind::kDestroyHeap:
        case EventKind::kOther:
            return 0;
    }
    return 0;
}

}  // namespace

Trace ReadTrace(std::span<const uint8_t> bytes, bool lenient) {
    Trace trace;
    trace.bytes = bytes;
    Parts parts(trace);
    parts.ReadFileHeader();
    try {
        while (!parts.AtEnd()) parts.ReadPart();
        parts.CheckWhole();
    } catch (const TraceDamage& damage) {
        if (!lenient) throw;
        trace.cut = damage.what();
        trace.whole = false;
    }
    return trace;
}

uint64_t Trace::MostStamps() const {
    if (whole) return stamps;
    const auto filled =
        std::count_if(threads.begin(), threads.end(),
                      [](const std::vector<Chunk>& chunks) { return !chunks.empty(); });
    return events + kMaxMissingOfThread * static_cast<uint64_t>(filled + 1);
}

EventStream::EventStream(const Trace& trace)
    : trace_(trace), most_stamps_(trace.MostStamps()), cursors_(trace.threads.size()) {
    for (uint32_t thread = 0; thread < cursors_.size(); ++thread) {
        if (Advance(thread)) heads_.push_back({cursors_[thread].event.stamp, thread});
    }
    std::make_heap(heads_.begin(), heads_.end());
}

bool EventStream::Next(Event& event) {
    if (heads_.empty()) return false;
    std::pop_heap(heads_.begin(), heads_.end());
    const uint32_t thread = heads_.back().thread;
    event = cursors_[thread].event;
    if (event.stamp <= last_stamp_) {
        throw TraceDamage(event.offset, "two events have the stamp " + std::to_string(event.stamp));
    }
    last_stamp_ = event.stamp;
    if (Advance(thread)) {
        heads_.back().stamp = cursors_[thread].event.stamp;
        std::push_heap(heads_.begin(), heads_.end());
    } else {
        heads_.pop_back();
    }
    return true;
}

// Decodes the next event of a thread. False when it has no more.
bool EventStream::Advance(uint32_t thread) {
    Cursor& cursor = cursors_[thread];
    const std::vector<Chunk>& chunks = trace_.threads[thread];
    if (cursor.events_left == 0) {
        if (cursor.at != cursor.end) {
            throw TraceDamage(OffsetOf(cursor.at),
                              "the chunk has more than the events it says it has");
        }
        if (cursor.chunk == chunks.size()) return false;
        const Chunk& chunk = chunks[cursor.chunk++];
        cursor.at = trace_.bytes.data() + chunk.offset;
        cursor.end = cursor.at + chunk.bytes;
        cursor.events_left = chunk.events;
        cursor.first = true;
    }
    Decode(cursor, thread);
    --cursor.events_left;
    return true;
}

uint64_t EventStream::Number(Cursor& cursor, const char* what) {
    uint64_t value = 0;
    const uint8_t* const next = observe::GetNumber(cursor.at, cursor.end, value);
    if (next == nullptr) {
        throw TraceDamage(OffsetOf(cursor.at), std::string("this is no number: ") + what);
    }
    cursor.at = next;
    return value;
}

void EventStream::Decode(Cursor& cursor, uint32_t thread) {
    Event event = {};
    event.offset = OffsetOf(cursor.at);
    event.thread = thread;
    if (cursor.at == cursor.end)
        throw TraceDamage(event.offset, "the chunk has fewer events than it says");
    event.kind = static_cast<EventKind>(*cursor.at & 0x0F);
    event.flags = *cursor.at & 0xF0;
    ++cursor.at;
    if (event.kind < EventKind::kAllocate || event.kind > EventKind::kOther) {
        throw TraceDamage(event.offset, "there is no such kind of event");
    }
    if ((event.flags & ~FlagsOf(event.kind)) != 0) {
        throw TraceDamage(event.offset, "the event has flags that its kind does not have");
    }
    const uint64_t more = Number(cursor, "the stamp");
    const uint64_t base =
        cursor.first ? trace_.threads[thread][cursor.chunk - 1].first_stamp : cursor.last_stamp;
    event.stamp = base + more;
    if (event.stamp < base || event.stamp <= cursor.last_stamp || event.stamp > most_stamps_ ||
        (cursor.first && more != 0)) {
        throw TraceDamage(event.offset, "the event's stamp is impossible");
    }
    cursor.first = false;
    cursor.last_stamp = event.stamp;

    const bool names_block = (event.kind == EventKind::kFree || event.kind == EventKind::kResize ||
                              event.kind == EventKind::kQuerySize) &&
                             !event.Has(observe::kForeign);
    if (names_block) {
        const uint64_t distance = Number(cursor, "the block");
        if (distance == 0 || distance >= event.stamp) {
            throw TraceDamage(event.offset, "the event is about a block of the future");
        }
        event.block = event.stamp - distance;
    }
    if ((event.kind == EventKind::kAllocate && event.Has(observe::kInHeap)) ||
        event.kind >= EventKind::kCreateHeap) {
        event.number = Number(cursor, "the heap, or the call");
    }
    if (event.kind == EventKind::kAllocate || event.kind == EventKind::kResize) {
        event.size = Number(cursor, "the size");
    }
    cursor.event = event;
}

}  // namespace strata::replay

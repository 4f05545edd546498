// Reads traces (docs/traces.md) from memory, whoever wrote them: every part is checked before it is
// believed, and what is wrong is named with its place in the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "observe/trace_format.h"

namespace strata::replay {

// Something in a trace is not as it must be.
class TraceDamage : public std::runtime_error {
public:
    TraceDamage(uint64_t offset, const std::string& what)
        : std::runtime_error("at byte " + std::to_string(offset) + ": " + what), offset_(offset) {}
    uint64_t offset() const { return offset_; }

private:
    uint64_t offset_;
};

struct Event {
    observe::EventKind kind;
    uint8_t flags;
    uint32_t thread;
    uint64_t stamp;
    uint64_t block;   // the stamp of its allocation; 0: it has no name
    uint64_t number;  // of the heap, 0 for the process heap; of kOther, the call
    uint64_t size;
    uint64_t offset;  // in the file

    bool Has(uint8_t flag) const { return (flags & flag) != 0; }
};

// A chunk's events, which are in the bytes of the trace.
struct Chunk {
    uint64_t offset;  // of the events
    uint32_t bytes;
    uint32_t events;
    uint64_t first_stamp;
};

struct Trace {
    std::span<const uint8_t> bytes;
    std::string program;
    uint32_t process_id = 0;
    uint64_t started = 0;       // milliseconds since 1970
    uint64_t milliseconds = 0;  // how long it was recorded
    bool whole = false;         // the process ended in an orderly way, and every call is there
    uint64_t stamps = 0;        // given out, where it is known: of a whole trace
    uint64_t events = 0;
    std::vector<std::vector<Chunk>> threads;
    std::string cut;  // ReadTrace was lenient: why it stopped before the end

    // No stamp can be higher. A whole trace has an event for each.
    uint64_t MostStamps() const;
};

// Checks all parts of a trace but the events in the chunks. `lenient`: takes what stands before the
// first damage; only a file header that is none is an error then. Throws TraceDamage. The trace
// keeps `bytes`.
Trace ReadTrace(std::span<const uint8_t> bytes, bool lenient = false);

// The events of all threads in the order of their stamps.
class EventStream {
public:
    explicit EventStream(const Trace& trace);

    // False at the end. Throws TraceDamage.
    bool Next(Event& event);

private:
    struct Cursor {
        size_t chunk = 0;
        uint32_t events_left = 0;
        const uint8_t* at = nullptr;
        const uint8_t* end = nullptr;
        uint64_t last_stamp = 0;
        bool first = true;  // of its chunk
        Event event;
    };
    struct Head {
        uint64_t stamp;
        uint32_t thread;
        bool operator<(const Head& other) const { return stamp > other.stamp; }  // the least on top
    };

    bool Advance(uint32_t thread);
    void Decode(Cursor& cursor, uint32_t thread);
    uint64_t Number(Cursor& cursor, const char* what);
    uint64_t OffsetOf(const uint8_t* at) const {
        return static_cast<uint64_t>(at - trace_.bytes.data());
    }

    const Trace& trace_;
    uint64_t most_stamps_;
    std::vector<Cursor> cursors_;
    std::vector<Head> heads_;
    uint64_t last_stamp_ = 0;
};

}  // namespace strata::replay

// Stages joined by queues: messages are read in one thread, unpacked into new ones in another, and
// used up in the first. Every block is freed by another thread than the one that allocated it, and
// one thread allocates other sizes than it frees.
#include <thread>

#include "containers.h"
#include "draw.h"
#include "ring.h"
#include "workload.h"

namespace bench {

namespace {

struct Message {
    size_t size;
    uint64_t value;
    Message* next;  // parts of one message
};

Message* Make(size_t size, uint64_t value) {
    auto* message = static_cast<Message*>(MallocOrEnd(std::max(size, sizeof(Message))));
    *message = {size, value, nullptr};
    return message;
}

// A message in parts of a quarter each.
Message* Unpack(Message* packed) {
    Message* parts = nullptr;
    for (size_t i = 0; i < 4; ++i) {
        Message* part = Make(packed->size / 4 + 16 * i, Mix(packed->value, i));
        part->next = parts;
        parts = part;
    }
    Free(packed);
    return parts;
}

uint64_t UseUp(Message* parts) {
    uint64_t sum = 0;
    while (parts != nullptr) {
        sum += parts->value ^ parts->size;
        Message* next = parts->next;
        Free(parts);
        parts = next;
    }
    return sum;
}

}  // namespace

uint64_t RunPipeline(const Task& task) {
    Ring packed;
    Ring unpacked;
    std::thread middle([&packed, &unpacked] {
        while (void* message = packed.Pop()) unpacked.Push(Unpack(static_cast<Message*>(message)));
        unpacked.Push(nullptr);
    });
    Random random(task.seed);
    const size_t messages = task.Scaled(3'000'000);
    uint64_t checksum = 0;
    size_t sent = 0;
    Message* ready = nullptr;
    for (size_t used = 0, spins = 0; used < messages; ++spins) {
        void* parts = nullptr;
        if (unpacked.TryPop(&parts)) {
            checksum += UseUp(static_cast<Message*>(parts));
            ++used;
            spins = 0;
        }
        if (ready == nullptr && sent < messages) ready = Make(random.LogBetween(64, 4'096), sent++);
        if (ready != nullptr && packed.TryPush(ready)) {
            ready = nullptr;
            spins = 0;
        }
        Ring::Pause(static_cast<int>(spins));
    }
    MarkPeak();
    packed.Push(nullptr);
    middle.join();
    return checksum;
}

}  // namespace bench

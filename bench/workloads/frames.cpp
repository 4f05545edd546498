// A game: every frame allocates a few thousand short-lived blocks and a few large buffers and frees
// them at its end; entities live for many frames, and assets of hundreds of kilobytes come and go.
#include <deque>

#include "containers.h"
#include "draw.h"
#include "workload.h"

namespace bench {

namespace {

struct Entity {
    uint64_t id;
    size_t dies;
    Vector<uint64_t> components = {};
};

struct Asset {
    char* bytes;
    size_t size;
};

constexpr size_t kAssets = 24;
constexpr size_t kEntities = 8'000;

uint64_t Simulate(Random& random, size_t frame, Vector<void*>* temporaries) {
    uint64_t sum = 0;
    const size_t count = 1'500 + random.Below(1'000);
    for (size_t i = 0; i < count; ++i) {
        const size_t size = random.LogBetween(16, 512);
        auto* block = static_cast<uint64_t*>(MallocOrEnd(size));
        block[0] = frame + i;
        sum += block[0] ^ size;
        temporaries->push_back(block);
    }
    for (size_t i = 0; i < 6; ++i) {
        const size_t size = random.LogBetween(4'096, 65'536);
        auto* commands = static_cast<char*>(MallocOrEnd(size));
        for (size_t at = 0; at < size; at += 256) commands[at] = static_cast<char>(frame);
        temporaries->push_back(commands);
    }
    return sum;
}

void Replace(Random& random, Asset* asset) {
    Free(asset->bytes);
    asset->size = random.LogBetween(128 * 1024, 1024 * 1024);
    asset->bytes = static_cast<char*>(MallocOrEnd(asset->size));
    for (size_t at = 0; at < asset->size; at += 64) asset->bytes[at] = static_cast<char>(at >> 6);
}

}  // namespace

uint64_t RunFrames(const Task& task) {
    Random random(task.seed);
    Vector<Entity*> entities(kEntities, nullptr);
    Asset assets[kAssets] = {};
    Vector<void*> temporaries;
    uint64_t checksum = 0;
    const size_t frames = task.Scaled(6'000);
    for (size_t frame = 0; frame < frames; ++frame) {
        checksum = Mix(checksum, Simulate(random, frame, &temporaries));
        for (size_t i = 0; i < 120; ++i) {
            Entity*& entity = entities[random.Below(kEntities)];
            if (entity != nullptr && entity->dies > frame) {
                entity->components.push_back(frame);
                checksum += entity->components.size();
                continue;
            }
            Delete(entity);
            entity = New<Entity>(frame, frame + random.LogBetween(10, 2'000));
            entity->components.resize(random.Between(2, 12), frame);
        }
        if (frame % 8 == 0) Replace(random, &assets[random.Below(kAssets)]);
        if (frame % 100 == 99) MarkPeak();
        for (void* block : temporaries) Free(block);
        temporaries.clear();
    }
    for (Entity* entity : entities) Delete(entity);
    for (const Asset& asset : assets) Free(asset.bytes);
    return checksum;
}

}  // namespace bench

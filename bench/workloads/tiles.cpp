// An image editor: tiles of 64 KiB to 8 MiB are made, filtered into new ones and dropped, two dozen
// at a time. Every line of a tile is written and read, so the work on the pixels is part of the
// time.
#include "containers.h"
#include "draw.h"
#include "workload.h"

namespace bench {

namespace {

struct Tile {
    uint64_t* pixels;
    size_t words;
};

constexpr size_t kTiles = 24;
constexpr size_t kStep = 8;  // one word of each line of 64 bytes

Tile Make(size_t bytes) {
    const size_t words = bytes / sizeof(uint64_t);
    return {static_cast<uint64_t*>(MallocOrEnd(words * sizeof(uint64_t))), words};
}

Tile Fill(Random& random, size_t number) {
    // Few sizes, as images have, and the smaller ones more often.
    Tile tile = Make((size_t{64} << 10) << random.Below(random.Between(2, 8)));
    for (size_t i = 0; i < tile.words; i += kStep) tile.pixels[i] = number + i;
    return tile;
}

Tile Filter(const Tile& source) {
    Tile result = Make(source.words * sizeof(uint64_t));
    uint64_t previous = 0;
    for (size_t i = 0; i < source.words; i += kStep) {
        result.pixels[i] = (source.pixels[i] + previous) / 2;
        previous = source.pixels[i];
    }
    return result;
}

uint64_t Sum(const Tile& tile) {
    uint64_t sum = 0;
    for (size_t i = 0; i < tile.words; i += kStep) sum += tile.pixels[i];
    return sum;
}

}  // namespace

uint64_t RunTiles(const Task& task) {
    Random random(task.seed);
    Tile tiles[kTiles] = {};
    uint64_t checksum = 0;
    const size_t steps = task.Scaled(25'000);
    for (size_t step = 0; step < steps; ++step) {
        Tile& tile = tiles[random.Below(kTiles)];
        if (tile.pixels == nullptr || random.Below(3) == 0) {
            if (tile.pixels != nullptr) checksum = Mix(checksum, Sum(tile));
            Free(tile.pixels);
            tile = Fill(random, step);
        } else {
            const Tile filtered = Filter(tile);
            Free(tile.pixels);
            tile = filtered;
        }
        if (step % 200 == 199) MarkPeak();
    }
    for (const Tile& tile : tiles) {
        if (tile.pixels != nullptr) checksum = Mix(checksum, Sum(tile));
        Free(tile.pixels);
    }
    return checksum;
}

}  // namespace bench

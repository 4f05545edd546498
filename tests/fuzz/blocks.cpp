// Operations on blocks.
#include <algorithm>
#include <cstring>

#include "operations.h"
#include "os/process.h"

namespace strata::fuzz {

namespace {

// Bytes of a large block that are filled and checked, at either end.
constexpr size_t kChecked = 600;
// More than this is not allocated at a time.
constexpr size_t kMostLive = size_t{192} << 20;
constexpr size_t kMostBlocks = 4000;

heap::Heap* FromApi(strata_heap* heap) { return heap::FromHandle(heap); }
strata_heap* ForApi(heap::Heap* heap) { return reinterpret_cast<strata_heap*>(heap); }

}  // namespace

// Memory for it was refused on demand, is limited, or no machine has it.
bool Machine::MayFail(size_t bytes, size_t heap) const {
    return faulty_ || heaps_[heap].fixed || bytes > kMostLive;
}

void* Machine::AllocateBlock(size_t heap, size_t bytes, size_t& alignment, bool& zero, bool& user) {
    const uint8_t how = input_.Byte();
    heap::Heap* const target = heaps_[heap].heap;
    zero = (how & 0x80) != 0;
    alignment = 16;
    user = false;
    switch (how % 6) {
        case 0:
        case 1:
            if (heap != 0) break;
            return zero ? strata_calloc(1, bytes) : strata_malloc(bytes);
        case 2:
            alignment = size_t{1} << input_.Below(22);
            return heap::AllocateAligned(*target, alignment, bytes, zero);
        case 3: {
            const UserRecord record = {reinterpret_cast<void*>(next_seed_), 0, 0};
            heap::AllocateOptions options;
            options.zero = zero;
            options.user = &record;
            user = true;
            return heap::AllocateWith(*target, bytes, options);
        }
        default:
            break;
    }
    return zero ? strata_heap_calloc(ForApi(target), bytes, 1)
                : strata_heap_malloc(ForApi(target), bytes);
}

void Machine::Allocate() {
    const size_t heap = AnyHeap();
    const size_t bytes = input_.Size();
    const bool possible = bytes <= kMostLive;
    if (live_.size() >= kMostBlocks || (possible && live_bytes_ + bytes > kMostLive)) return;
    size_t alignment;
    bool zero;
    bool user;
    void* const block = AllocateBlock(heap, bytes, alignment, zero, user);
    if (block == nullptr) {
        FUZZ_CHECK(MayFail(bytes, heap));
        return;
    }
    FUZZ_CHECK(possible);
    if (zero) {
        const size_t front = std::min(bytes, size_t{70'000});
        FUZZ_CHECK(test::FindNonZero(block, 0, front) == front);
        FUZZ_CHECK(test::FindNonZero(block, bytes - front, bytes) == bytes);
    }
    Note(block, bytes, alignment, heap, user);
}

void Machine::Note(void* block, size_t bytes, size_t alignment, size_t heap, bool user) {
    FUZZ_CHECK(AddressOf(block) % std::max<size_t>(alignment, 16) == 0);
    FUZZ_CHECK(strata_requested_size(block) == bytes);
    FUZZ_CHECK(FromApi(strata_heap_of(block)) == heaps_[heap].heap);
    const size_t usable = strata_usable_size(block);
    FUZZ_CHECK(usable >= bytes);
    // Two live blocks never overlap.
    FUZZ_CHECK(map_.Add({block, bytes, usable, 0}));
    live_.push_back({block, bytes, usable, heap, next_seed_++, user});
    live_bytes_ += bytes;
    Fill(live_.back());
}

void Machine::Fill(Live& block) {
    char* const at = static_cast<char*>(block.address);
    const size_t bytes = block.requested;
    const size_t front = std::min(bytes, kChecked);
    test::FillPattern(at, front, block.seed);
    if (bytes > kChecked) {
        test::FillPattern(at, std::max(bytes - kChecked, front), bytes, block.seed);
    }
    // All that is usable may be written; growth has to zero it nevertheless.
    std::memset(at + bytes, 0xE7, std::min(block.usable - bytes, kChecked));
}

void Machine::CheckPattern(const Live& block, const void* now, size_t bytes) {
    const size_t front = std::min({bytes, block.requested, kChecked});
    FUZZ_CHECK(test::FindPatternBreak(now, front, block.seed) == front);
    if (bytes < block.requested) return;
    const auto* const at = static_cast<const uint8_t*>(now);
    for (size_t i = std::max(front, block.requested - std::min(block.requested, kChecked));
         i < block.requested; ++i) {
        FUZZ_CHECK(at[i] == test::PatternByte(block.seed, i));
    }
}

void Machine::Check(const Live& block) {
    FUZZ_CHECK(strata_requested_size(block.address) == block.requested);
    FUZZ_CHECK(strata_usable_size(block.address) == block.usable);
    CheckPattern(block, block.address, block.requested);
}

void Machine::Forget(size_t index) {
    live_bytes_ -= live_[index].requested;
    FUZZ_CHECK(map_.Remove(live_[index].address));
    live_[index] = live_.back();
    live_.pop_back();
}

void Machine::FreeOne() {
    if (live_.empty()) return;
    const size_t index = input_.Below(live_.size());
    const Live block = live_[index];
    Check(block);
    Forget(index);
    freed_.push_back(block.address);
    if (freed_.size() > 64) freed_.erase(freed_.begin());
    os::SetLastErrorCode(77);
    switch (input_.Byte() % 3) {
        case 0:
            strata_free(block.address);
            break;
        case 1:
            strata_free_sized(block.address, block.requested);
            break;
        default:
            strata_heap_free(ForApi(heaps_[block.heap].heap), block.address);
            break;
    }
    FUZZ_CHECK(os::GetLastErrorCode() == 77);
}

void Machine::ResizeOne() {
    if (live_.empty()) return;
    const size_t index = input_.Below(live_.size());
    const Live old = live_[index];
    const uint8_t how = input_.Byte();
    // Often near its old size, where it may stay.
    const size_t bytes =
        how < 128 ? input_.Size() : old.requested + input_.Word() % 2048 - old.requested / 4;
    if (bytes <= kMostLive && live_bytes_ + bytes > kMostLive) return;
    Check(old);
    heap::ResizeOptions options;
    options.zero = (how & 1) != 0;
    options.in_place = (how & 6) == 2;
    if ((how & 6) == 4) options.alignment = size_t{1} << input_.Below(17);
    heap::Heap* const heap = heaps_[old.heap].heap;
    void* const block = heap::Resize((how & 8) != 0 ? heap : nullptr, old.address, bytes, options);
    if (block == nullptr) {
        FUZZ_CHECK(options.in_place || MayFail(bytes, old.heap));
        Check(old);
        return;
    }
    FUZZ_CHECK(!options.in_place || block == old.address);
    CheckPattern(old, block, bytes);
    if (options.zero && bytes > old.requested) {
        const size_t last = std::min(bytes, old.requested + 70'000);
        FUZZ_CHECK(test::FindNonZero(block, old.requested, last) == last);
    }
    Forget(index);
    Note(block, bytes, options.alignment, old.heap, old.user);
}

void Machine::UserValue() {
    if (live_.empty()) return;
    const Live& block = live_[input_.Below(live_.size())];
    heap::Heap& heap = *heaps_[block.heap].heap;
    void* const value = reinterpret_cast<void*>(uintptr_t{input_.Word()});
    const bool done = heap::SetUserValue(heap, block.address, value);
    FUZZ_CHECK(done == block.user);
    UserRecord record = {};
    FUZZ_CHECK(heap::GetUserRecord(heap, block.address, record));
    FUZZ_CHECK(record.value == (done ? value : nullptr));
    Check(block);
}

}  // namespace strata::fuzz

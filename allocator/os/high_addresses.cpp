#include "os/high_addresses.h"

#include "base/bits.h"
#include "base/constants.h"

namespace strata::os {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// Ranges that are looked at from one beginning.
constexpr int kLooks = 16;

uintptr_t Aligned(const ReserveRequest& request, uintptr_t address) noexcept {
    return RoundUp(address, request.alignment > kSliceSize ? request.alignment : kSliceSize);
}

}  // namespace

void HighAddresses::Use(uintptr_t limit, uint64_t random, bool can_ask) noexcept {
    if (used_.exchange(true, kRelaxed)) return;
    const uintptr_t end = limit / 2 < kHighestStart ? limit / 2 : kHighestStart;
    uintptr_t start = kLowAddressEnd;
    if (end > kLowestStart) {
        start = kLowestStart + RoundDown(random % (end - kLowestStart), kSliceSize);
    }
    limit_.store(limit, kRelaxed);
    start_.store(start, kRelaxed);
    next_.store(start, kRelaxed);
    top_.store(start, kRelaxed);
    asks_.store(can_ask, kRelaxed);
}

void* HighAddresses::Reserve(const ReserveRequest& request) noexcept {
    if (limit() > kLowAddressEnd) {
        void* result = TryAt(request, Aligned(request, next_.load(kRelaxed)));
        if (result == nullptr && asks_.load(kRelaxed)) result = Ask(request);
        // Asking may just have shown that it is no use.
        if (result == nullptr && !asks_.load(kRelaxed)) result = Search(request);
        if (result != nullptr) {
            const uintptr_t end = AddressOf(result) + request.bytes;
            next_.store(end, kRelaxed);
            if (end > top_.load(kRelaxed)) top_.store(end, kRelaxed);
            return result;
        }
    }
    return calls_.reserve_anywhere(request);
}

bool HighAddresses::Fits(const ReserveRequest& request, uintptr_t place) const noexcept {
    const uintptr_t end = limit();
    return place >= kLowAddressEnd && place < end && request.bytes <= end - place;
}

void* HighAddresses::TryAt(const ReserveRequest& request, uintptr_t place) noexcept {
    return Fits(request, place) ? calls_.reserve_at(request, place) : nullptr;
}

void* HighAddresses::Ask(const ReserveRequest& request) noexcept {
    const uintptr_t choices[] = {start_.load(kRelaxed), kLowAddressEnd};
    for (const uintptr_t lowest : choices) {
        void* const result = calls_.reserve_above(request, lowest);
        if (AddressOf(result) >= kLowAddressEnd) return result;
        if (result == nullptr) continue;
        calls_.release(result);
        asks_.store(false, kRelaxed);
        break;
    }
    return nullptr;
}

void* HighAddresses::Search(const ReserveRequest& request) noexcept {
    const uintptr_t beginnings[] = {top_.load(kRelaxed), start_.load(kRelaxed), kLowAddressEnd};
    uintptr_t tried = Aligned(request, next_.load(kRelaxed));  // by Reserve
    for (const uintptr_t beginning : beginnings) {
        const uintptr_t from = Aligned(request, beginning);
        if (from != tried) {
            if (void* const result = TryAt(request, from)) return result;
        }
        tried = from;
        const uintptr_t found = FindFree(request, from);
        if (found == from) continue;  // it only looks free
        if (void* const result = TryAt(request, found)) return result;
    }
    return nullptr;
}

// The first place from there on that looks free; 0 when there is none near.
uintptr_t HighAddresses::FindFree(const ReserveRequest& request, uintptr_t from) const noexcept {
    uintptr_t place = from;
    for (int looks = 0; looks < kLooks && Fits(request, place); ++looks) {
        const AddressRange range = calls_.range_of(place);
        if (range.end <= place) return 0;
        if (range.free && range.end - place >= request.bytes) return place;
        place = Aligned(request, range.end);
    }
    return 0;
}

void HighAddresses::Taken(const void* address, size_t bytes) noexcept {
    const uintptr_t place = AddressOf(address);
    if (next_.load(kRelaxed) - place < bytes) next_.store(place + bytes, kRelaxed);
    if (top_.load(kRelaxed) - place < bytes) top_.store(place + bytes, kRelaxed);
}

void HighAddresses::Released(const void* address, size_t bytes) noexcept {
    const uintptr_t place = AddressOf(address);
    if (place < kLowAddressEnd) return;
    if (place < next_.load(kRelaxed)) next_.store(place, kRelaxed);
    if (place + bytes == top_.load(kRelaxed)) top_.store(place, kRelaxed);
}

}  // namespace strata::os

#include "observe/block_ids.h"

#include "base/constants.h"

namespace strata::observe {

namespace {

constexpr size_t PositionOf(uint64_t hash, size_t capacity) noexcept {
    return static_cast<size_t>(hash >> 8) & (capacity - 1);
}

constexpr size_t kFirstCapacity = 2048;  // nearly fills one slice

}  // namespace

size_t BlockIds::BytesOf(size_t capacity) noexcept {
    return (capacity * sizeof(Slot) + kSliceSize - 1) / kSliceSize * kSliceSize;
}

// Blocks are multiples of 16 apart, often of much more: the multiplication brings every bit to the
// top.
uint64_t BlockIds::Hash(uintptr_t address) noexcept {
    const uint64_t product = static_cast<uint64_t>(address) * 0x9E3779B97F4A7C15u;
    return product ^ (product >> 32);
}

// The slot of the address, or the free one where it would stand; nullptr without any slots.
BlockIds::Slot* BlockIds::FindSlot(Part& part, uint64_t hash, uintptr_t address) noexcept {
    if (part.capacity == 0) return nullptr;
    size_t at = PositionOf(hash, part.capacity);
    while (part.slots[at].address != 0 && part.slots[at].address != address) {
        at = (at + 1) & (part.capacity - 1);
    }
    return &part.slots[at];
}

// Moves up what would not be found any more behind a free slot.
void BlockIds::Erase(Part& part, Slot* slot) noexcept {
    const size_t mask = part.capacity - 1;
    size_t hole = static_cast<size_t>(slot - part.slots);
    for (size_t at = (hole + 1) & mask; part.slots[at].address != 0; at = (at + 1) & mask) {
        const size_t home = PositionOf(Hash(part.slots[at].address), part.capacity);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            part.slots[hole] = part.slots[at];
            hole = at;
        }
    }
    part.slots[hole] = {};
    --part.used;
}

bool BlockIds::Grow(Part& part) noexcept {
    const size_t capacity = part.capacity == 0 ? kFirstCapacity : 2 * part.capacity;
    os::ReserveRequest request;
    request.bytes = BytesOf(capacity);
    auto* const slots = static_cast<Slot*>(memory_->Reserve(request));
    if (slots == nullptr) return false;
    if (!memory_->Commit(slots, request.bytes, request.bytes)) {
        memory_->Release(slots, request.bytes, 0);
        return false;
    }
    Slot* const old = part.slots;
    const size_t old_capacity = part.capacity;
    part.slots = slots;
    part.capacity = capacity;
    for (size_t i = 0; i < old_capacity; ++i) {
        if (old[i].address == 0) continue;
        *FindSlot(part, Hash(old[i].address), old[i].address) = old[i];
    }
    if (old != nullptr) memory_->Release(old, BytesOf(old_capacity), BytesOf(old_capacity));
    return true;
}

bool BlockIds::Set(const void* address, Named named) noexcept {
    const auto key = reinterpret_cast<uintptr_t>(address);
    const uint64_t hash = Hash(key);
    Part& part = PartOf(hash);
    const os::LockGuard guard(part.lock);
    Slot* slot = FindSlot(part, hash, key);
    if (slot == nullptr || (slot->address == 0 && 4 * (part.used + 1) > 3 * part.capacity)) {
        if (!Grow(part)) return false;
        slot = FindSlot(part, hash, key);
    }
    if (slot->address == 0) ++part.used;
    *slot = {key, named.id, named.heap, 0};
    return true;
}

Named BlockIds::Find(const void* address) noexcept {
    const auto key = reinterpret_cast<uintptr_t>(address);
    const uint64_t hash = Hash(key);
    Part& part = PartOf(hash);
    const os::LockGuard guard(part.lock);
    const Slot* const slot = FindSlot(part, hash, key);
    if (slot == nullptr || slot->address == 0) return {};
    return {slot->id, slot->heap};
}

Named BlockIds::Remove(const void* address) noexcept {
    const auto key = reinterpret_cast<uintptr_t>(address);
    const uint64_t hash = Hash(key);
    Part& part = PartOf(hash);
    const os::LockGuard guard(part.lock);
    Slot* const slot = FindSlot(part, hash, key);
    if (slot == nullptr || slot->address == 0) return {};
    const Named found = {slot->id, slot->heap};
    Erase(part, slot);
    return found;
}

size_t BlockIds::Count() noexcept {
    size_t count = 0;
    for (Part& part : parts_) {
        const os::LockGuard guard(part.lock);
        count += part.used;
    }
    return count;
}

void BlockIds::Clear() noexcept {
    for (Part& part : parts_) {
        const os::LockGuard guard(part.lock);
        if (part.slots == nullptr) continue;
        memory_->Release(part.slots, BytesOf(part.capacity), BytesOf(part.capacity));
        part.slots = nullptr;
        part.capacity = part.used = 0;
    }
}

}  // namespace strata::observe

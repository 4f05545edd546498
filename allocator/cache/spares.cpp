#include "cache/spares.h"

namespace strata::cache {

using store::CreateMagazine;
using store::DestroyMagazine;

namespace {
// Of each capacity. A thread that frees a thousand small blocks at once fills eight.
constexpr uint8_t kMaxSpares = 8;
constexpr size_t ListOf(uint32_t capacity) noexcept { return FloorLog2(capacity + 1); }
}  // namespace

Magazine* Spares::Create(uint32_t capacity) noexcept {
    Magazine*& list = lists_[ListOf(capacity)];
    Magazine* const spare = list;
    if (spare == nullptr) return CreateMagazine(capacity);
    list = spare->next;
    --counts_[ListOf(capacity)];
    spare->next = nullptr;
    return spare;
}

void Spares::Destroy(Magazine* magazine) noexcept {
    const size_t index = ListOf(magazine->capacity);
    if (counts_[index] == kMaxSpares) return DestroyMagazine(magazine);
    ++counts_[index];
    magazine->next = lists_[index];
    lists_[index] = magazine;
}

size_t Spares::size() const noexcept {
    size_t sum = 0;
    for (const uint8_t count : counts_) sum += count;
    return sum;
}

void Spares::Clear() noexcept {
    for (size_t i = 0; i < kCapacities; ++i) {
        while (Magazine* const magazine = lists_[i]) {
            lists_[i] = magazine->next;
            DestroyMagazine(magazine);
        }
        counts_[i] = 0;
    }
}

}  // namespace strata::cache

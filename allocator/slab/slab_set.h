// The slabs of one size class of one heap, in two lists: those with room and those without.
//
// The partial list is kept roughly fullest first: a slab that was full comes to the front with its
// first free block, one that drains below a half moves to the back. Blocks are taken from the
// front, so sparse slabs drain, become empty and go back to the arena.
//
// No function here locks: the caller holds the lock of the size class.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "slab/slab.h"

namespace strata::slab {

class SlabSet {
public:
    // Takes up to `want` free blocks, making a new slab when no other has any. Returns how many;
    // 0 when memory is short.
    uint32_t Take(const SlabRequest& request, FreeBlock* out, uint32_t want) noexcept;

    // Puts a free block back; a slab that becomes empty ends. A block that is back already is
    // fatal.
    void Put(Slab& slab, const void* block) noexcept;

    // The same for many blocks of any slabs of this set.
    void PutAll(const FreeBlock* blocks, uint32_t count) noexcept;

    // Ends all slabs, whatever lives in them.
    void DestroyAll() noexcept;

    // Ends all slabs but one, whose blocks are all free then; that one, too, when it has more than
    // `budget` bytes committed. Returns it, or nullptr.
    Slab* DestroyAllButOne(size_t budget) noexcept;

    // PurgePages for those slabs of which least is in use, a bounded number.
    void PurgeSparsePages() noexcept;

    // Calls f(Slab&) for every slab; f must not change the set.
    template <typename F>
    void ForEach(F f) const {
        for (Slab* list : {partial_, full_}) {
            Slab* slab = list;
            while (slab != nullptr) {
                f(*slab);
                slab = slab->next == list ? nullptr : slab->next;
            }
        }
    }
    bool IsEmpty() const noexcept { return partial_ == nullptr && full_ == nullptr; }

private:
    void Settle(Slab& slab, uint32_t before) noexcept;

    // Circular lists; each pointer is the front.
    Slab* partial_ = nullptr;
    Slab* full_ = nullptr;
};

}  // namespace strata::slab

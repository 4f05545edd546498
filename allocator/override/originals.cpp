#include "override/originals.h"

#include "override/code_walk.h"

namespace strata::override {

namespace {

constexpr uint64_t Bit(size_t i) noexcept { return uint64_t{1} << i; }

class Proof {
public:
    Proof(const RedirectRequest* requests, size_t count) noexcept
        : requests_(requests), count_(count) {
        for (size_t i = 0; i < count; ++i) entries_[i] = requests[i].entry;
    }

    Originals Make() noexcept;

private:
    bool Shares(size_t i, size_t j) const noexcept {
        return requests_[i].original != nullptr && requests_[i].original == requests_[j].original;
    }
    // The requests that share the original of the Nth, itself included.
    uint64_t GroupOf(size_t i) const noexcept;
    bool MayBePublished(size_t i) noexcept;

    const RedirectRequest* requests_;
    size_t count_;
    const void* entries_[kMaxRedirects];
    // Those whose original leads to no entry from which it could come back.
    uint64_t settled_ = 0;
};

uint64_t Proof::GroupOf(size_t i) const noexcept {
    uint64_t group = 0;
    for (size_t j = 0; j < count_; ++j) {
        if (j == i || Shares(i, j)) group |= Bit(j);
    }
    return group;
}

bool Proof::MayBePublished(size_t i) noexcept {
    uint64_t reached = 0;
    if (!ReachedEntries(entries_[i], entries_, count_, reached)) return false;
    return (reached & ~Bit(i) & ~settled_) == 0;
}

// From those that lead nowhere upwards: each further one leads to what is settled, and so comes to
// an end.
Originals Proof::Make() noexcept {
    Originals result;
    for (size_t i = 0; i < count_; ++i) {
        if (GroupOf(i) == Bit(i)) settled_ |= Bit(i);
    }
    result.published = settled_;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < count_; ++i) {
            if ((settled_ & Bit(i)) != 0 || !MayBePublished(i)) continue;
            settled_ |= GroupOf(i);
            result.published |= Bit(i);
            changed = true;
        }
    }
    for (size_t i = 0; i < count_; ++i) {
        if ((settled_ & Bit(i)) == 0 && (GroupOf(i) & (Bit(i) - 1)) != 0) result.unproven |= Bit(i);
    }
    return result;
}

}  // namespace

Originals ProveOriginals(const RedirectRequest* requests, size_t count) noexcept {
    return Proof(requests, count).Make();
}

}  // namespace strata::override

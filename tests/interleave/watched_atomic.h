// Included before everything else in each source of the core that is checked here (compiler option
// -include): std::atomic becomes a type that tells the scheduler of every access. The code itself
// is the one that ships.
#pragma once

// What the core includes, before the names change their meaning.
#include <algorithm>
#include <atomic>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>
#ifdef STRATA_INTERLEAVE_TESTS
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <utility>
#include <vector>
#endif

namespace strata::interleave {
// The calling thread is about to do something that others can see.
void Point(std::memory_order order) noexcept;
}  // namespace strata::interleave

namespace std {

template <typename T>
class watched_atomic {
public:
    constexpr watched_atomic() noexcept = default;
    constexpr watched_atomic(T value) noexcept : value_(value) {}
    watched_atomic(const watched_atomic&) = delete;
    watched_atomic& operator=(const watched_atomic&) = delete;

    T load(memory_order order = memory_order_seq_cst) const noexcept {
        strata::interleave::Point(order);
        return value_;
    }
    void store(T value, memory_order order = memory_order_seq_cst) noexcept {
        strata::interleave::Point(order);
        value_ = value;
    }
    T exchange(T value, memory_order order = memory_order_seq_cst) noexcept {
        strata::interleave::Point(order);
        const T old = value_;
        value_ = value;
        return old;
    }
    bool compare_exchange_strong(T& expected, T desired,
                                 memory_order order = memory_order_seq_cst) noexcept {
        strata::interleave::Point(order);
        if (value_ == expected) {
            value_ = desired;
            return true;
        }
        expected = value_;
        return false;
    }
    bool compare_exchange_strong(T& expected, T desired, memory_order order,
                                 memory_order) noexcept {
        return compare_exchange_strong(expected, desired, order);
    }
    bool compare_exchange_weak(T& expected, T desired,
                               memory_order order = memory_order_seq_cst) noexcept {
        return compare_exchange_strong(expected, desired, order);
    }
    bool compare_exchange_weak(T& expected, T desired, memory_order order, memory_order) noexcept {
        return compare_exchange_strong(expected, desired, order);
    }
    T fetch_add(T amount, memory_order order = memory_order_seq_cst) noexcept {
        return Update(order, [=](T old) { return static_cast<T>(old + amount); });
    }
    T fetch_sub(T amount, memory_order order = memory_order_seq_cst) noexcept {
        return Update(order, [=](T old) { return static_cast<T>(old - amount); });
    }
    T fetch_or(T bits, memory_order order = memory_order_seq_cst) noexcept {
        return Update(order, [=](T old) { return static_cast<T>(old | bits); });
    }
    T fetch_and(T bits, memory_order order = memory_order_seq_cst) noexcept {
        return Update(order, [=](T old) { return static_cast<T>(old & bits); });
    }
    operator T() const noexcept { return load(); }

private:
    template <typename Change>
    T Update(memory_order order, Change change) noexcept {
        strata::interleave::Point(order);
        const T old = value_;
        value_ = change(old);
        return old;
    }

    T value_{};
};

template <typename T>
class watched_atomic_ref {
public:
    explicit watched_atomic_ref(T& value) noexcept : value_(value) {}
    T load(memory_order order = memory_order_seq_cst) const noexcept {
        strata::interleave::Point(order);
        return value_;
    }
    void store(T value, memory_order order = memory_order_seq_cst) const noexcept {
        strata::interleave::Point(order);
        value_ = value;
    }
    T exchange(T value, memory_order order = memory_order_seq_cst) const noexcept {
        strata::interleave::Point(order);
        const T old = value_;
        value_ = value;
        return old;
    }
    bool compare_exchange_strong(T& expected, T desired,
                                 memory_order order = memory_order_seq_cst) const noexcept {
        strata::interleave::Point(order);
        if (value_ == expected) {
            value_ = desired;
            return true;
        }
        expected = value_;
        return false;
    }
    bool compare_exchange_strong(T& expected, T desired, memory_order order,
                                 memory_order) const noexcept {
        return compare_exchange_strong(expected, desired, order);
    }

private:
    T& value_;
};

}  // namespace std

#define atomic watched_atomic
#define atomic_ref watched_atomic_ref

// A thread is what the scheduler says it is: not one of the system's.
#define ThreadToken SystemThreadToken
#include "os/thread.h"
#undef ThreadToken
namespace strata::os {
uintptr_t ThreadToken() noexcept;
}

// The catalogue of fatal errors: each function, its exact message, and how the process ends.
#include "os/fatal.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "support/death.h"

namespace strata::os {
namespace {

const void* Pointer(uintptr_t value) { return reinterpret_cast<const void*>(value); }

const void* const kHeap = Pointer(0x7f0000001000);
const void* const kOtherHeap = Pointer(0x7f0000002000);
const void* const kBlock = Pointer(0x7f1234560030);
const void* const kInside = Pointer(0x7f1234560031);

class FatalDeathTest : public test::DeathTest {};

TEST_F(FatalDeathTest, DoubleFree) {
    EXPECT_FATAL_TEXT(
        FatalDoubleFree(Operation::kFree, kBlock, kHeap, 48),
        "strata: fatal: double free of block 0x7f1234560030 (48 usable bytes) in heap "
        "0x7f0000001000\n");
    EXPECT_FATAL_TEXT(
        FatalDoubleFree(Operation::kResize, kBlock, kHeap, 48),
        "strata: fatal: realloc of freed block 0x7f1234560030 (48 usable bytes) in heap "
        "0x7f0000001000\n");
    EXPECT_FATAL_TEXT(FatalDoubleFree(Operation::kSize, kBlock, kHeap, 0),
                      "strata: fatal: size query of freed block 0x7f1234560030 (0 usable bytes) in "
                      "heap 0x7f0000001000\n");
}

TEST_F(FatalDeathTest, InteriorPointer) {
    EXPECT_FATAL_TEXT(FatalInteriorPointer(Operation::kFree, kInside, kBlock, kHeap, 48),
                      "strata: fatal: free of interior pointer 0x7f1234560031 into block "
                      "0x7f1234560030 (48 usable bytes) of heap 0x7f0000001000\n");
    EXPECT_FATAL_TEXT(FatalInteriorPointer(Operation::kResize, kInside, kBlock, kHeap, 48),
                      "strata: fatal: realloc of interior pointer 0x7f1234560031 into block "
                      "0x7f1234560030 (48 usable bytes) of heap 0x7f0000001000\n");
}

TEST_F(FatalDeathTest, UnallocatedPointer) {
    EXPECT_FATAL_TEXT(
        FatalUnallocatedPointer(Operation::kFree, kBlock),
        "strata: fatal: free of invalid pointer 0x7f1234560030: no block is there now "
        "(freed before, or never allocated)\n");
}

TEST_F(FatalDeathTest, ForeignPointer) {
    EXPECT_FATAL_TEXT(
        FatalForeignPointer(Operation::kSize, kBlock),
        "strata: fatal: size query of foreign pointer 0x7f1234560030: not allocated by "
        "Strata\n");
    EXPECT_FATAL_TEXT(FatalForeignPointer(Operation::kFree, Pointer(0x10)),
                      "strata: fatal: free of foreign pointer 0x000000000010: not allocated by "
                      "Strata\n");
}

TEST_F(FatalDeathTest, WrongHeap) {
    EXPECT_FATAL_TEXT(
        FatalWrongHeap(Operation::kFree, kBlock, kHeap, kOtherHeap, 48),
        "strata: fatal: free to the wrong heap: block 0x7f1234560030 (48 bytes) belongs "
        "to heap 0x7f0000002000, not to 0x7f0000001000\n");
}

TEST_F(FatalDeathTest, SizeMismatch) {
    EXPECT_FATAL_TEXT(
        FatalSizeMismatch(kBlock, kHeap, 40, 41),
        "strata: fatal: sized free of block 0x7f1234560030 in heap 0x7f0000001000 with "
        "41 bytes, requested were 40\n");
}

TEST_F(FatalDeathTest, CorruptBlock) {
    EXPECT_FATAL_TEXT(
        FatalCorruptBlock(Operation::kFree, kBlock, kHeap, 2048),
        "strata: fatal: free of overrun block 0x7f1234560030 (2048 usable bytes) in heap "
        "0x7f0000001000: its last bytes were overwritten\n");
}

TEST_F(FatalDeathTest, InvalidHeap) {
    EXPECT_FATAL_TEXT(
        FatalInvalidHeap(kHeap),
        "strata: fatal: use of invalid heap handle 0x7f0000001000: destroyed before, or "
        "never a heap\n");
}

TEST_F(FatalDeathTest, AbandonedLock) {
    EXPECT_FATAL_TEXT(FatalAbandonedLock(1234),
                      "strata: fatal: thread 1234 was ended (TerminateThread) while it changed a "
                      "heap, which cannot be used any more\n");
}

TEST_F(FatalDeathTest, OutOfMemory) {
    EXPECT_FATAL_TEXT(FatalOutOfMemory(SIZE_MAX),
                      "strata: fatal: out of memory: 18446744073709551615 bytes requested with "
                      "exceptions enabled\n");
}

// The longest message there can be is not cut off.
TEST_F(FatalDeathTest, TheLongestMessageFits) {
    const void* const high = Pointer(UINTPTR_MAX);
    EXPECT_FATAL_TEXT(FatalWrongHeap(Operation::kSize, high, high, high, SIZE_MAX),
                      "strata: fatal: size query to the wrong heap: block 0xffffffffffffffff "
                      "(18446744073709551615 bytes) belongs to heap 0xffffffffffffffff, not to "
                      "0xffffffffffffffff\n");
    EXPECT_FATAL_TEXT(FatalInteriorPointer(Operation::kSize, high, high, high, SIZE_MAX),
                      "strata: fatal: size query of interior pointer 0xffffffffffffffff into block "
                      "0xffffffffffffffff (18446744073709551615 usable bytes) of heap "
                      "0xffffffffffffffff\n");
}

}  // namespace
}  // namespace strata::os

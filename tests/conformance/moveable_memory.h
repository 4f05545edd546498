// What the rules of GlobalAlloc and of LocalAlloc share: the two families have the same functions
// and the same flags, and differ in a few results.
#pragma once

#include "support.h"

namespace conformance {

inline constexpr UINT kFixed = 0, kMoveable = 0x2, kModify = 0x80, kZeroInit = 0x40,
                      kDiscarded = 0x4000, kInvalidHandle = 0x8000, kLockCount = 0xFF;

struct Family {
    HANDLE(WINAPI* alloc)(UINT, SIZE_T);
    HANDLE(WINAPI* realloc)(HANDLE, SIZE_T, UINT);
    HANDLE(WINAPI* free)(HANDLE);
    SIZE_T(WINAPI* size)(HANDLE);
    LPVOID(WINAPI* lock)(HANDLE);
    BOOL(WINAPI* unlock)(HANDLE);
    HANDLE(WINAPI* handle)(LPCVOID);
    UINT(WINAPI* flags)(HANDLE);
};
extern const Family kGlobal, kLocal;

// Each experiment takes a family; the rules' functions are made of them by Of<&kGlobal,
// FixedSizes>.
using FamilyRule = Observed (*)(const Family& family);
template <const Family* family, FamilyRule rule>
Observed Of(const HeapApi&) {
    return rule(*family);
}

Observed FixedSizes(const Family& family);
Observed FixedZeroBytes(const Family& family);
Observed FixedIsItsPointer(const Family& family);
Observed FixedUnlock(const Family& family);
Observed FixedZeroInit(const Family& family);
Observed FixedGrowInPlace(const Family& family);
Observed FixedGrowMoveable(const Family& family);
Observed FixedShrinkInPlace(const Family& family);
Observed FixedFree(const Family& family);
Observed FixedModify(const Family& family);
Observed Impossible(const Family& family);

Observed MoveableSizes(const Family& family);
Observed MoveableHandle(const Family& family);
Observed MoveableLockCount(const Family& family);
Observed MoveableUnlockTwice(const Family& family);
Observed MoveableZeroInit(const Family& family);
Observed MoveableZeroBytes(const Family& family);
Observed MoveableDiscard(const Family& family);
Observed MoveableDiscardLocked(const Family& family);
Observed MoveableGrow(const Family& family);
Observed MoveableGrowZero(const Family& family);
Observed MoveableGrowLocked(const Family& family);
Observed MoveableFreeLocked(const Family& family);
Observed MoveableStale(const Family& family);
Observed MoveableMany(const Family& family);
Observed MoveableThreads(const Family& family);
Observed FreeOfNull(const Family& family);
Observed SuccessKeepsError(const Family& family);

Observed FixedShrinkStays(const Family& family);
Observed FixedShrinkMoveableStays(const Family& family);
Observed SmallShrinkStays(const Family& family);
Observed FixedGrowsWhereItIs(const Family& family);
Observed MoveableShrinkStays(const Family& family);
Observed MoveableShrinkPlainStays(const Family& family);
Observed MoveableShrinkLockedStays(const Family& family);
Observed MoveableLockedGrowsWhereItIs(const Family& family);
Observed ModifyIgnoresSize(const Family& family);
Observed HandleOfHeapBlock(const Family& family);
Observed HeapBlockIsFixed(const Family& family);
Observed HandleOfNothing(const Family& family);
Observed ReallocImpossible(const Family& family);
Observed DiscardedLock(const Family& family);
Observed FixedMadeMoveable(const Family& family);
Observed NoHandle(const Family& family);
Observed ReallocOfNull(const Family& family);
Observed MostLocks(const Family& family);
Observed ObsoleteFlags(const Family& family);

}  // namespace conformance

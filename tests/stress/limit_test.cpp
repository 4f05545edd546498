// A real limit on the memory of a process, set by the system and not by a table of calls that fail:
// a program runs into it, is refused, and goes on; and all of it comes back.
//
// POSIX: RLIMIT_DATA (counts what is committed) and RLIMIT_AS (counts what is reserved). Windows: a
// job object's ProcessMemoryLimit, as documented for JOB_OBJECT_LIMIT_PROCESS_MEMORY. Wine accepts
// such a limit and does not enforce it; the test then says so and is skipped.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "arena/process_arenas.h"
#include "effort.h"
#include "support/death.h"

#include <strata/strata.h>

#ifdef _WIN32
#include <windows.h>
#else
#include <fstream>
#include <sys/resource.h>
#endif

namespace strata {
namespace {

// What the limit leaves. Reserving an arena takes twice its size for a moment.
constexpr size_t kRoom = size_t{96} << 20;
constexpr size_t kRoomForAddresses = size_t{320} << 20;

constexpr int kGood = 0;
constexpr int kNoLimitHere = 77;

// Takes blocks of one size until there are no more; false if that never comes.
bool FillUp(strata_heap* heap, size_t bytes, size_t room, std::vector<void*>& blocks) {
    size_t taken = 0;
    while (taken < 3 * room) {
        void* const block = strata_heap_malloc(heap, bytes);
        if (block == nullptr) return true;
        std::memset(block, 0x5A, bytes < 4096 ? bytes : 4096);
        blocks.push_back(block);
        taken += bytes;
    }
    return false;
}

void FreeAll(std::vector<void*>& blocks) {
    for (void* block : blocks) strata_free(block);
    blocks.clear();
}

size_t CommittedAfterPurge() {
    strata_purge();
    return arena::g_memory.Counters().committed;
}

// With `room` bytes left, in a process of its own.
int MeetTheLimit(size_t room) {
    strata_heap* const own = strata_heap_create();
    if (own == nullptr) return 2;
    std::vector<void*> blocks;
    // This vector must not run into the limit itself.
    blocks.reserve(3 * room / 1000 + 1000);
    size_t before = 0;
    for (int round = 0; round < 3; ++round) {
        for (strata_heap* heap : {strata_heap_process(), own}) {
            for (const size_t bytes : {size_t{1000}, size_t{30'000}, size_t{500'000}, room / 3}) {
                if (!FillUp(heap, bytes, room, blocks)) return kNoLimitHere;
                if (strata_heap_validate(heap) != 1) return 3;
                // A little is left, or comes back when something is freed.
                // The largest may find no room for its reservation between the others.
                if (blocks.empty() && bytes < room / 3) return 7;
                const size_t half = blocks.size() / 2;
                for (size_t i = half; i < blocks.size(); ++i) strata_free(blocks[i]);
                blocks.resize(half);
                void* const again = strata_heap_malloc(heap, bytes);
                if (again == nullptr && half != 0) return 4;
                strata_free(again);
                FreeAll(blocks);
                if (strata_heap_validate(heap) != 1) return 5;
            }
        }
        // The records and the map of the places that arenas had come to lie at stay.
        const size_t now = CommittedAfterPurge();
        if (round == 0) before = now;
        if (now > before + (4 << 20)) return 6;
    }
    strata_heap_destroy(own);
    return kGood;
}

class RealLimit : public test::DeathTest {};

#ifdef _WIN32

int UnderAJobsLimit() {
    const HANDLE job = CreateJobObjectW(nullptr, nullptr);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_PROCESS_MEMORY;
    limits.ProcessMemoryLimit = kRoom + (size_t{64} << 20);
    if (!SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits) ||
        !AssignProcessToJobObject(job, GetCurrentProcess())) {
        return kNoLimitHere;
    }
    return MeetTheLimit(kRoom);
}

TEST_F(RealLimit, JobObject) {
    // Which of the two it is can be told by the exit code only: a child says so itself.
    const auto expected = [](int code) {
        if (code == kNoLimitHere) {
            std::puts("this system accepts a job's memory limit and does not enforce it");
        }
        return code == kGood || code == kNoLimitHere;
    };
    EXPECT_EXIT(std::_Exit(UnderAJobsLimit()), expected, "");
}

#else

// Of /proc/self/statm, in bytes: 0 is the address space, 5 data and stack.
size_t ProcessSize(int field) {
    std::ifstream file("/proc/self/statm");
    size_t pages = 0;
    for (int i = 0; i <= field; ++i) file >> pages;
    return pages * 4096;
}

int Under(int resource, int field, size_t room) {
    strata_free(strata_malloc(1));  // the reservations that every process has
    rlimit limit = {};
    limit.rlim_cur = limit.rlim_max = ProcessSize(field) + room;
    if (setrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return 9;
    return MeetTheLimit(room);
}

TEST_F(RealLimit, OfCommittedMemory) {
    if (test::kSanitized) GTEST_SKIP() << "a sanitizer does not survive a limit of its own memory";
    EXPECT_EXIT(std::_Exit(Under(RLIMIT_DATA, 5, kRoom)), testing::ExitedWithCode(kGood), "");
}
TEST_F(RealLimit, OfAddressSpace) {
    EXPECT_EXIT(std::_Exit(Under(RLIMIT_AS, 0, kRoomForAddresses)), testing::ExitedWithCode(kGood),
                "");
}

#endif

}  // namespace
}  // namespace strata

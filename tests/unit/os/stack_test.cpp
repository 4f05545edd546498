// Stacks, and access violations that are looked at and go on.
#include "os/stack.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "base/compiler.h"
#include "os/fault.h"
#include "os/memory.h"
#include "os/process.h"
#include "support/death.h"

namespace strata::os {
namespace {

STRATA_NOINLINE void CaptureDeeper(StackTrace& trace) {
    CaptureStack(trace);
    EXPECT_NE(trace.thread, 0u);  // so that this is no tail call
}

TEST(Stack, HasTheCallers) {
    StackTrace here = {};
    StackTrace deeper = {};
    CaptureStack(here);
    CaptureDeeper(deeper);
    ASSERT_GE(here.depth, 3u);
    ASSERT_LE(here.depth, kStackFrames);
    EXPECT_EQ(here.thread, CurrentThreadId());
    EXPECT_NE(here.frames[0], deeper.frames[0]);
    // The callers of both are the same, one frame further out.
    EXPECT_EQ(here.frames[1], deeper.frames[2]);
}

TEST(Stack, ThreadsHaveNumbersOfTheirOwn) {
    uint32_t other = 0;
    std::thread([&] { other = CurrentThreadId(); }).join();
    EXPECT_NE(other, 0u);
    EXPECT_NE(other, CurrentThreadId());
}

TEST(Stack, AddressesAreNamedByTheirModule) {
    StackTrace here = {};
    CaptureStack(here);
    TextBuffer<384> text;
    PutCodeAddress(text, here.frames[0]);
    EXPECT_NE(std::string(text.text()).find("strata_os_test"), std::string::npos) << text.text();
    EXPECT_NE(std::string(text.text()).find("+0x"), std::string::npos) << text.text();
    text.Clear();
    PutCodeAddress(text, reinterpret_cast<const void*>(uintptr_t{0x10}));
    EXPECT_STREQ(text.text(), "0x000000000010");
}

class FaultDeathTest : public test::DeathTest {
protected:
    static void* ReservedPage() {
        ReserveRequest request;
        request.bytes = 64 * 1024;
        return SystemMemory::Reserve(request);
    }
};

constinit const void* g_watched = nullptr;

void Watch(const void* address) {
    g_watched = address;
    WatchFaults(
        [](const void* at) noexcept { return at == g_watched; },
        [](const Fault& fault) noexcept {
            TextBuffer<128> text;
            text.Put(fault.kind == Fault::Kind::kWrite ? "watched write, " : "watched read, ");
            text.PutDecimal(fault.stack.depth).Put(" frames, ");
            text.Put(fault.stack.depth != 0 && fault.stack.frames[0] == fault.code
                         ? "first is the instruction\n"
                         : "first is another\n");
            WriteStandardError(text.text(), text.length());
        });
}

TEST_F(FaultDeathTest, IsReportedAndGoesOn) {
    EXPECT_DEATH(
        {
            auto* const page = static_cast<volatile char*>(ReservedPage());
            Watch(const_cast<char*>(page) + 5);
            page[5] = 1;
        },
        "watched write, .* frames, first is the instruction");
    EXPECT_DEATH(
        {
            auto* const page = static_cast<volatile char*>(ReservedPage());
            Watch(const_cast<char*>(page) + 5);
            static_cast<void>(page[5]);
        },
        "watched read, ");
}

}  // namespace
}  // namespace strata::os

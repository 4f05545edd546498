#include "run/override_dll.h"

#include <gtest/gtest.h>

namespace strata::run {
namespace {

TEST(MappedDll, KeepsItsPath) {
    const MappedDll ntdll(L"ntdll.dll");
    EXPECT_STREQ(L"ntdll.dll", ntdll.traits().path);
}

TEST(MappedDll, WithoutAFileHasNoMark) {
    const MappedDll missing(L"no such.dll");
    EXPECT_FALSE(missing.traits().control_flow_guard);
}

}  // namespace
}  // namespace strata::run

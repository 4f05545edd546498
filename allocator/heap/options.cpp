#include "heap/options.h"

#include "arena/purge_policy.h"
#include "base/bits.h"
#include "base/constants.h"
#include "os/process.h"
#include "os/text.h"

namespace strata::heap {

namespace {

constexpr uint64_t kMostDecayMilliseconds = 30'000;
constexpr uint64_t kMostRetainedKilobytes = uint64_t{1} << 32;

}  // namespace

bool ReadNumber(const char* name, uint64_t most, uint64_t& value) noexcept {
    char text[64];
    if (!os::GetOption(name, text, sizeof text)) return false;
    if (ParseNumber(text, most, value)) return true;
    os::TextBuffer<256> message;
    message.Put("strata: option ").Put(name).Put("=").Put(text);
    message.Put(" is not a whole number from 0 to ").PutDecimal(most);
    message.Put("; the default is used\n");
    os::WriteStandardError(message.text(), message.length());
    return false;
}

bool ParseNumber(const char* text, uint64_t most, uint64_t& value) noexcept {
    if (*text == 0) return false;
    uint64_t result = 0;
    for (; *text != 0; ++text) {
        if (*text < '0' || *text > '9') return false;
        const uint64_t digit = static_cast<uint64_t>(*text - '0');
        if (digit > most || result > (most - digit) / 10) return false;
        result = result * 10 + digit;
    }
    value = result;
    return true;
}

void ReadOptions() noexcept {
    uint64_t value = 0;
    if (ReadNumber("STRATA_DECAY_MS", kMostDecayMilliseconds, value)) {
        arena::g_purge_policy.decay_epochs =
            static_cast<uint32_t>(DivideUp(value, kEpochMilliseconds));
    }
    if (ReadNumber("STRATA_RETAIN_KB", kMostRetainedKilobytes, value)) {
        arena::g_purge_policy.retained_slices = value * 1024 / kSliceSize;
    }
}

}  // namespace strata::heap

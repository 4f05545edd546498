#include "heap/options.h"

#include "base/bits.h"
#include "base/constants.h"
#include "os/process.h"

namespace strata::heap {

namespace {

constexpr uint64_t kMostDecayMilliseconds = 30'000;
constexpr uint64_t kMostRetainedKilobytes = uint64_t{1} << 32;

}  // namespace

bool ReadNumber(const char* name, uint64_t most, uint64_t& value,
                os::TextSink& complaints) noexcept {
    char text[64];
    if (!os::GetOption(name, text, sizeof text)) return false;
    if (ParseNumber(text, most, value)) return true;
    complaints.Put("strata: option ").Put(name).Put("=").Put(text);
    complaints.Put(" is not a whole number from 0 to ").PutDecimal(most);
    complaints.Put("; the default is used\n");
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

arena::PurgePolicy ReadPurgePolicy(os::TextSink& complaints) noexcept {
    arena::PurgePolicy policy;
    uint64_t value = 0;
    if (ReadNumber("STRATA_DECAY_MS", kMostDecayMilliseconds, value, complaints)) {
        policy.decay_epochs = static_cast<uint32_t>(DivideUp(value, kEpochMilliseconds));
    }
    if (ReadNumber("STRATA_RETAIN_KB", kMostRetainedKilobytes, value, complaints)) {
        policy.retained_slices = value * 1024 / kSliceSize;
    }
    return policy;
}

}  // namespace strata::heap

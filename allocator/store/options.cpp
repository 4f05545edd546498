#include "store/options.h"

#include <initializer_list>

#include "base/bits.h"
#include "base/constants.h"
#include "os/process.h"

namespace strata::store {

namespace {

constexpr uint64_t kMostDecayMilliseconds = 30'000;
constexpr uint64_t kMostRetainedKilobytes = uint64_t{1} << 32;

}  // namespace

namespace {

// The value of an option that is set to something; what cannot be shown is left out of the
// complaint.
class Text {
public:
    explicit Text(const char* name) noexcept
        : readable_(os::GetOption(name, text_, sizeof text_)),
          set_(readable_ ? text_[0] != 0 : os::HasOption(name)) {}

    bool set() const noexcept { return set_; }
    const char* text() const noexcept { return readable_ ? text_ : "..."; }
    bool readable() const noexcept { return readable_; }

private:
    char text_[64];
    bool readable_;
    bool set_;
};

os::TextSink& Complain(os::TextSink& complaints, const char* name, const Text& text) noexcept {
    return complaints.Put("strata: option ").Put(name).Put("=").Put(text.text());
}

bool IsEqual(const char* text, const char* word) noexcept {
    for (; *text != 0 && *word != 0; ++text, ++word) {
        const char c = *text >= 'A' && *text <= 'Z' ? static_cast<char>(*text - 'A' + 'a') : *text;
        if (c != *word) return false;
    }
    return *text == *word;
}

}  // namespace

bool ReadNumber(const char* name, uint64_t most, uint64_t& value,
                os::TextSink& complaints) noexcept {
    const Text text(name);
    if (!text.set()) return false;
    if (text.readable() && ParseNumber(text.text(), most, value)) return true;
    Complain(complaints, name, text).Put(" is not a whole number from 0 to ").PutDecimal(most);
    complaints.Put("; the default is used\n");
    return false;
}

bool ReadSwitch(const char* name, bool& value, os::TextSink& complaints) noexcept {
    const Text text(name);
    if (!text.set()) return false;
    if (text.readable() && ParseSwitch(text.text(), value)) return true;
    Complain(complaints, name, text).Put(" is neither on (1, on, yes, true) nor off (0, off, no, ");
    complaints.Put("false); the default is used\n");
    return false;
}

bool ParseSwitch(const char* text, bool& value) noexcept {
    for (const char* const on : {"1", "on", "yes", "true"}) {
        if (IsEqual(text, on)) return value = true;
    }
    for (const char* const off : {"0", "off", "no", "false"}) {
        if (!IsEqual(text, off)) continue;
        value = false;
        return true;
    }
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

}  // namespace strata::store

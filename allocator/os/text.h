// Formatting into a fixed buffer, for messages that must not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::os {

// Where text goes: appends, and drops what does not fit. Always zero-terminated.
class TextSink {
public:
    TextSink(char* buffer, size_t capacity) noexcept : buffer_(buffer), capacity_(capacity) {
        buffer_[0] = 0;
    }
    TextSink(const TextSink&) = delete;
    TextSink& operator=(const TextSink&) = delete;

    TextSink& Put(const char* text) noexcept {
        while (*text != 0) PutChar(*text++);
        return *this;
    }
    TextSink& Put(const char* text, size_t length) noexcept {
        for (size_t i = 0; i < length; ++i) PutChar(text[i]);
        return *this;
    }
    TextSink& PutDecimal(uint64_t value) noexcept { return PutNumber(value, 10, 1); }
    // As 0x and at least one lower-case digit.
    TextSink& PutHex(uint64_t value) noexcept { return Put("0x").PutNumber(value, 16, 1); }
    // As 0x and 12 digits: all of a user-mode address on today's systems.
    TextSink& PutAddress(const void* address) noexcept {
        return Put("0x").PutNumber(reinterpret_cast<uintptr_t>(address), 16, 12);
    }
    TextSink& PutChar(char c) noexcept {
        if (length_ + 1 < capacity_) {
            buffer_[length_++] = c;
            buffer_[length_] = 0;
        }
        return *this;
    }

    const char* text() const noexcept { return buffer_; }
    size_t length() const noexcept { return length_; }
    size_t room() const noexcept { return capacity_ - 1 - length_; }
    void Clear() noexcept {
        length_ = 0;
        buffer_[0] = 0;
    }

private:
    TextSink& PutNumber(uint64_t value, unsigned base, int digits) noexcept {
        char reversed[64];
        int count = 0;
        do {
            reversed[count++] = "0123456789abcdef"[value % base];
            value /= base;
        } while (value != 0);
        for (int i = count; i < digits; ++i) PutChar('0');
        while (count > 0) PutChar(reversed[--count]);
        return *this;
    }

    char* buffer_;
    size_t capacity_;
    size_t length_ = 0;
};

template <size_t N>
class TextBuffer : public TextSink {
public:
    TextBuffer() noexcept : TextSink(storage_, N) {}

private:
    char storage_[N];
};

}  // namespace strata::os

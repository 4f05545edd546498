// SHA-256 (FIPS 180-4), by which a patch remembers the file that it was made of.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace strata::patch {

using Sha256 = std::array<uint8_t, 32>;

Sha256 ComputeSha256(std::span<const uint8_t> bytes);

// In hexadecimal, as sha256sum prints it.
std::string ToText(const Sha256& digest);

}  // namespace strata::patch

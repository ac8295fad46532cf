# Bounded reads of the protobuf wire format and the hash of names and keys; all inline, no GIL.
#
# A `Span` is what is left of a payload. Every read checks it against `end` first; the only wide
# loads (8 bytes) are made where 8 bytes are known to be left.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    static inline uint64_t wire_load64(const uint8_t *at) {
        uint64_t word;
        memcpy(&word, at, 8);
    #if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
    #endif
        return word;
    }
    static inline uint64_t wire_load32(const uint8_t *at) {
        uint32_t word;
        memcpy(&word, at, 4);
    #if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap32(word);
    #endif
        return word;
    }
    /* Both halves of the 128-bit product, folded into one word. */
    static inline uint64_t wire_fold(uint64_t a, uint64_t b) {
        __uint128_t product = (__uint128_t)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    static inline int wire_ctz64(uint64_t word) { return __builtin_ctzll(word); }
    #define wire_likely(x) __builtin_expect(!!(x), 1)
    #define wire_unlikely(x) __builtin_expect(!!(x), 0)
    """
    uint64_t wire_load64(const uint8_t* at) noexcept nogil
    uint64_t wire_load32(const uint8_t* at) noexcept nogil
    uint64_t wire_fold(uint64_t a, uint64_t b) noexcept nogil
    int wire_ctz64(uint64_t word) noexcept nogil
    bint wire_likely(bint x) noexcept nogil
    bint wire_unlikely(bint x) noexcept nogil


# Numbers of oddspipe.core.batch.rejects.Reason; a unit test compares them.
cdef enum WireStatus:
    WIRE_OK = 0
    WIRE_TRUNCATED = 1
    WIRE_MALFORMED = 2
    WIRE_WRONG_WIRE_TYPE = 3
    WIRE_BAD_UTF8 = 4
    WIRE_OVERSIZED = 5
    WIRE_MISSING_FIELD = 6
    WIRE_OUT_OF_RANGE = 7
    WIRE_NOT_FINITE = 8
    WIRE_UNKNOWN_ENUM = 9
    WIRE_TOO_MANY_IDS = 10


cdef enum WireType:
    WIRE_VARINT = 0
    WIRE_FIXED64 = 1
    WIRE_BYTES = 2
    WIRE_FIXED32 = 5


cdef struct Span:
    const uint8_t* at
    const uint8_t* end


cdef inline uint8_t read_varint_slowly(Span* span, uint64_t* out) noexcept nogil:
    """Read a varint byte by byte; MALFORMED above 64 bits, TRUNCATED at the end."""
    cdef uint64_t value = 0
    cdef uint8_t byte
    cdef int shift = 0
    while shift < 64:
        if span.at == span.end:
            return WIRE_TRUNCATED
        byte = span.at[0]
        span.at += 1
        if shift == 63 and byte > 1:
            return WIRE_MALFORMED
        value |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            out[0] = value
            return WIRE_OK
        shift += 7
    return WIRE_MALFORMED


cdef inline uint8_t read_varint(Span* span, uint64_t* out) noexcept nogil:
    """Read a varint; up to 8 bytes of it without a loop."""
    cdef uint64_t word, stops
    cdef int bits
    if span.at < span.end and span.at[0] < 0x80:
        out[0] = span.at[0]
        span.at += 1
        return WIRE_OK
    if span.end - span.at >= 8:
        word = wire_load64(span.at)
        stops = ~word & <uint64_t>0x8080808080808080
        if stops:
            # The lowest clear top bit ends the number: keep what lies below it, close the gaps.
            bits = wire_ctz64(stops) + 1
            span.at += bits >> 3
            word &= <uint64_t>0x7F7F7F7F7F7F7F7F & (<uint64_t>0xFFFFFFFFFFFFFFFF >> (64 - bits))
            word = (word & <uint64_t>0x007F007F007F007F) | ((word & <uint64_t>0x7F007F007F007F00) >> 1)
            word = (word & <uint64_t>0x00003FFF00003FFF) | ((word & <uint64_t>0x3FFF00003FFF0000) >> 2)
            word = (word & <uint64_t>0x000000000FFFFFFF) | ((word & <uint64_t>0x0FFFFFFF00000000) >> 4)
            out[0] = word
            return WIRE_OK
    return read_varint_slowly(span, out)


cdef inline uint8_t read_fixed64(Span* span, uint64_t* out) noexcept nogil:
    """Read 8 bytes, little-endian."""
    if span.end - span.at < 8:
        return WIRE_TRUNCATED
    out[0] = wire_load64(span.at)
    span.at += 8
    return WIRE_OK


cdef inline uint8_t skip_bytes(Span* span, uint64_t length) noexcept nogil:
    """Pass over `length` bytes."""
    if length > <uint64_t>(span.end - span.at):
        return WIRE_TRUNCATED
    span.at += length
    return WIRE_OK


cdef inline uint8_t skip_value(Span* span, int wire_type) noexcept nogil:
    """Pass over one value; groups and wire types 6 and 7 are MALFORMED."""
    cdef uint64_t number
    cdef uint8_t status
    if wire_type == WIRE_VARINT:
        return read_varint(span, &number)
    if wire_type == WIRE_FIXED64:
        return skip_bytes(span, 8)
    if wire_type == WIRE_FIXED32:
        return skip_bytes(span, 4)
    if wire_type != WIRE_BYTES:
        return WIRE_MALFORMED
    status = read_varint(span, &number)
    return status if status else skip_bytes(span, number)


cdef inline int64_t zigzag(uint64_t value) noexcept nogil:
    """Return the signed number that `value` stands for in `sint32` and `sint64`."""
    return <int64_t>(value >> 1) ^ -<int64_t>(value & 1)


cdef inline uint8_t* write_varint(uint8_t* at, uint64_t value) noexcept nogil:
    """Write a varint (at most 10 bytes, which the caller has made room for); return its end."""
    while value >= 0x80:
        at[0] = <uint8_t>(value | 0x80)
        at += 1
        value >>= 7
    at[0] = <uint8_t>value
    return at + 1


# The hash: two lanes of multiply and fold. 128 bits, so that two of 10^9 keys collide by chance
# with probability 10^-21; not made to withstand somebody who chooses keys to collide.

cdef struct Hash:
    uint64_t low
    uint64_t high


cdef inline void absorb(Hash* state, uint64_t a, uint64_t b) noexcept nogil:
    """Mix two words into both lanes."""
    state.low += wire_fold(a ^ state.low, b ^ <uint64_t>0x9E3779B97F4A7C15)
    state.high += wire_fold(b ^ state.high, a ^ <uint64_t>0xC2B2AE3D27D4EB4F)


cdef inline uint64_t load_tail(const uint8_t* at, uint64_t length) noexcept nogil:
    """Return 1 to 8 bytes as a little-endian word, reading nothing beyond them."""
    if length == 8:
        return wire_load64(at)
    if length >= 4:
        return wire_load32(at) | (wire_load32(at + length - 4) >> (8 * (8 - length))) << 32
    cdef uint64_t word = at[0]
    if length >= 2:
        word |= <uint64_t>at[1] << 8
    if length == 3:
        word |= <uint64_t>at[2] << 16
    return word


cdef inline void absorb_bytes(Hash* state, const uint8_t* at, uint64_t length) noexcept nogil:
    """Mix bytes in, 16 at a time, the last block filled with zeros; the length is not mixed in."""
    while length > 16:
        absorb(state, wire_load64(at), wire_load64(at + 8))
        at += 16
        length -= 16
    if length > 8:
        absorb(state, wire_load64(at), load_tail(at + 8, length - 8))
    elif length:
        absorb(state, load_tail(at, length), 0)


cdef inline Hash hash_name(const uint8_t* at, uint64_t length) noexcept nogil:
    """Return the hash of a name, the start of the key of each event that carries it."""
    cdef Hash state
    state.low = <uint64_t>0x243F6A8885A308D3
    state.high = <uint64_t>0x13198A2E03707344
    absorb_bytes(&state, at, length)
    absorb(&state, length, <uint64_t>0xA4093822299F31D0)
    return state

"""Decode protobuf payloads into columns: the compiled twin of `_decode_py`, which is the meaning."""

import struct

from oddspipe.core.names import FieldType
from oddspipe.ext._decode_py import MAX_FIELD_BYTES, NAMES_VERSION, check_of, read_names, split_parts

from libc.math cimport isfinite
from libc.stdint cimport int16_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from oddspipe.ext._wire cimport (
    WIRE_BAD_UTF8, WIRE_BYTES, WIRE_FIXED64, WIRE_MALFORMED, WIRE_MISSING_FIELD, WIRE_NOT_FINITE,
    WIRE_OK, WIRE_OUT_OF_RANGE, WIRE_OVERSIZED, WIRE_TOO_MANY_IDS, WIRE_TRUNCATED,
    WIRE_UNKNOWN_ENUM, WIRE_VARINT, WIRE_WRONG_WIRE_TYPE, Hash, Span, absorb, absorb_bytes,
    hash_name, load_tail, read_fixed64, read_varint, skip_value, wire_ctz64, wire_likely, wire_load64,
    wire_unlikely, zigzag,
)

cdef enum:
    SPAN_BITS = 24
    LENGTH_MASK = (1 << 24) - 1
    MAX_COLUMNS = 64
    # Rows are decoded in blocks and then written a column at a time: 8 words are a cache line.
    BLOCK = 8
    # Tags below this (field numbers below 256) find their column by one load, which also says
    # that the wire type is right; the rare others by a search.
    DIRECT = 2048
    NO_COLUMN = 255
    OUT_OF_MEMORY = 255
    SHORT_NAME = 16


cdef enum Op:
    OP_PLAIN
    OP_ZIGZAG
    OP_ENUM
    OP_DOUBLE
    OP_STRING
    OP_BYTES


# ---------------------------------------------------------------------------------------- names

# What a look-up reads of a name lies side by side: a slot, with half of the hash to tell names apart
# by, and an entry, with the text itself where it is short. A name costs two lines of memory, not five.
# The hash lies behind them: only a growing table reads it.

cdef struct Name:
    uint64_t start, length      # in `text`
    uint64_t a, b               # the text itself, filled with zeros, where it has up to 16 bytes


cdef struct Interner:
    uint8_t* text       # all names, end to end
    uint64_t used, room
    Name* entries
    uint64_t* hashes    # lower halves
    uint32_t count, name_room, limit
    uint64_t* slots     # half of the hash, then number + 1; 0 is free; open, at most half full
    uint32_t mask


cdef inline void load_name(const uint8_t* at, uint64_t length, uint64_t* a,
                           uint64_t* b) noexcept nogil:
    """Load a name of up to 16 bytes into two words, filled with zeros."""
    a[0] = b[0] = 0
    if length > 8:
        a[0] = wire_load64(at)
        b[0] = load_tail(at + 8, length - 8)
    elif length:
        a[0] = load_tail(at, length)


cdef inline uint64_t slot_of(uint64_t low, uint32_t number) noexcept nogil:
    """Return what stands in the slot of a name: the table's place follows from the other half."""
    return (low & <uint64_t>0xFFFFFFFF00000000) | (number + 1)


cdef inline int64_t find_hashed(const Interner* names, const uint8_t* at, uint64_t length,
                                const Hash* hashed) noexcept nogil:
    """Return the number of a name, or -1."""
    if names.count == 0:
        return -1
    cdef uint32_t place = <uint32_t>hashed.low & names.mask
    cdef uint64_t a = 0, b = 0, slot = names.slots[place]
    cdef const Name* entry
    if length <= SHORT_NAME:
        load_name(at, length, &a, &b)
    while slot:
        if (slot ^ hashed.low) >> 32 == 0:
            entry = &names.entries[<uint32_t>slot - 1]
            if entry.length == length and entry.a == a and entry.b == b and (
                    length <= SHORT_NAME or memcmp(names.text + entry.start, at, length) == 0):
                return <uint32_t>slot - 1
        place = (place + 1) & names.mask
        slot = names.slots[place]
    return -1


cdef inline void put_slot(Interner* names, uint64_t low, uint32_t number) noexcept nogil:
    cdef uint32_t place = <uint32_t>low & names.mask
    while names.slots[place]:
        place = (place + 1) & names.mask
    names.slots[place] = slot_of(low, number)


cdef bint grow_slots(Interner* names) noexcept nogil:
    """Double the table; False when there is no memory."""
    cdef uint64_t room = 64 if names.slots == NULL else (<uint64_t>names.mask + 1) * 2
    cdef uint64_t* slots = <uint64_t*>calloc(room, sizeof(uint64_t))
    cdef uint32_t number
    if slots == NULL:
        return False
    free(names.slots)
    names.slots = slots
    names.mask = <uint32_t>(room - 1)
    for number in range(names.count):
        put_slot(names, names.hashes[number], number)
    return True


cdef bint make_room(Interner* names, uint64_t length) noexcept nogil:
    """Make room for one more name; False when there is no memory."""
    cdef uint64_t room
    cdef void* moved
    if names.used + length > names.room:
        room = 2 * (names.used + length) + 256
        moved = realloc(names.text, room)
        if moved == NULL:
            return False
        names.text = <uint8_t*>moved
        names.room = room
    if names.count == names.name_room:
        room = 2 * <uint64_t>names.name_room + 32
        moved = realloc(names.entries, room * sizeof(Name))
        if moved == NULL:
            return False
        names.entries = <Name*>moved
        moved = realloc(names.hashes, room * sizeof(uint64_t))
        if moved == NULL:
            return False
        names.hashes = <uint64_t*>moved
        names.name_room = <uint32_t>room
    if names.slots == NULL or 2 * (<uint64_t>names.count + 1) > names.mask + 1:
        return grow_slots(names)
    return True


cdef int64_t intern_hashed(Interner* names, const uint8_t* at, uint64_t length,
                           const Hash* hashed) noexcept nogil:
    """Return the number of a name, a new one if need be; -1 when there is no memory."""
    cdef int64_t number = find_hashed(names, at, length, hashed)
    cdef Name* entry
    if number >= 0:
        return number
    if not make_room(names, length):
        return -1
    memcpy(names.text + names.used, at, length)
    entry = &names.entries[names.count]
    entry.start = names.used
    entry.length = length
    entry.a = entry.b = 0
    if length <= SHORT_NAME:
        load_name(at, length, &entry.a, &entry.b)
    names.used += length
    names.hashes[names.count] = hashed.low
    put_slot(names, hashed.low, names.count)
    names.count += 1
    return names.count - 1


cdef void clear(Interner* names) noexcept nogil:
    free(names.text)
    free(names.entries)
    free(names.hashes)
    free(names.slots)
    cdef uint32_t limit = names.limit
    memset(names, 0, sizeof(Interner))
    names.limit = limit


cdef class Names:
    """Number names in the order in which they first come; at most `limit` of them."""

    cdef Interner interner
    cdef list _names

    def __cinit__(self, limit):
        # 2**31 - 1: numbers are 32-bit and the table is at most half full.
        self.interner.limit = min(int(limit), 2**31 - 1)
        self._names = []

    def __dealloc__(self):
        clear(&self.interner)

    @property
    def limit(self):
        return self.interner.limit

    def __len__(self):
        """Return how many names are known."""
        return self.interner.count

    def find(self, bytes name):
        """Return the number of a name, -1 if it is not known."""
        cdef const uint8_t* at = name
        cdef Hash hashed = hash_name(at, len(name))
        return find_hashed(&self.interner, at, len(name), &hashed)

    def number(self, bytes name):
        """Return the number of a name, a new one if it is not known.

        Raises:
            ValueError: It is not UTF-8, or the names are full.
        """
        cdef const uint8_t* at = name
        cdef Hash hashed = hash_name(at, len(name))
        cdef int64_t number = find_hashed(&self.interner, at, len(name), &hashed)
        if number < 0:
            if self.interner.count >= self.interner.limit:
                raise ValueError(f"more than {self.limit} names")
            name.decode()
            number = intern_hashed(&self.interner, at, len(name), &hashed)
            if number < 0:
                raise MemoryError
            self.follow()
        return number

    def by_number(self):
        """Return the names by number: the same list each time, which only ever grows."""
        return self._names

    cdef void follow(self) except *:
        """Take the names that came without the GIL into the list."""
        cdef uint32_t number
        cdef const Name* entry
        for number in range(<uint32_t>len(self._names), self.interner.count):
            entry = &self.interner.entries[number]
            self._names.append(
                (<char*>self.interner.text)[entry.start:entry.start + entry.length].decode("utf-8")
            )

    def snapshot(self):
        """Return all names as bytes."""
        cdef uint32_t number
        lengths = [self.interner.entries[number].length for number in range(self.interner.count)]
        head = struct.pack(f"<I{len(lengths)}I", len(lengths), *lengths)
        return NAMES_VERSION + head + (<char*>self.interner.text)[:self.interner.used]

    def restore(self, state):
        """Take up names that `snapshot` of either twin gave, in place of all known ones.

        Raises:
            ValueError: The bytes are no such snapshot, or hold more names than the limit.
        """
        cdef bytes name
        cdef Hash hashed
        names = read_names(state, self.interner.limit)
        texts = [name.decode() for name in names]
        clear(&self.interner)
        for name in names:
            hashed = hash_name(<const uint8_t*>name, len(name))
            if intern_hashed(&self.interner, <const uint8_t*>name, len(name), &hashed) < 0:
                raise MemoryError
        self._names[:] = texts


# ---------------------------------------------------------------------------------------- table

cdef struct Field:
    uint8_t op
    uint8_t wire
    bint required
    int64_t low, high
    double double_low, double_high
    uint64_t length
    uint64_t few        # bit v: enum value v, below 64
    int64_t* values     # the enum's other values
    int n_values
    Interner* names


cdef struct Table:
    Field fields[MAX_COLUMNS]
    uint8_t direct[DIRECT]
    uint32_t numbers[MAX_COLUMNS]
    int columns
    int event_id, revision, game_id, sequence, event_time, ingest_time, kind
    uint64_t needed         # columns that every row but a timer must have
    uint64_t strings        # columns of names
    uint64_t timer_columns  # what a timer keeps
    int64_t* timers
    int n_timers
    int64_t max_payload
    bint trust_ingest_time


OPS = {
    FieldType.INT32: OP_ZIGZAG,
    FieldType.ENUM: OP_ENUM,
    FieldType.DOUBLE: OP_DOUBLE,
    FieldType.STRING: OP_STRING,
    FieldType.BYTES: OP_BYTES,
}


cdef int64_t* copy_numbers(numbers) except NULL:
    cdef int64_t* copied = <int64_t*>malloc(sizeof(int64_t) * (len(numbers) + 1))
    if copied == NULL:
        raise MemoryError
    for at, number in enumerate(sorted(numbers)):
        copied[at] = number
    return copied


cdef class DecodeTable:
    """What every column must satisfy, and the names of the string columns; see `_decode_py`."""

    cdef Table table
    cdef readonly dict names

    def __cinit__(self):
        memset(&self.table, 0, sizeof(Table))

    def __init__(
        self, fields, *, envelope=(0, 1, 2, 3, 4, 5, 6), timers=(10, 15), max_payload=65536,
        max_names=1_000_000, trust_ingest_time=False,
    ):
        cdef Table* table = &self.table
        if self.names is not None:
            raise ValueError("a decode table is made once")
        if len(fields) > MAX_COLUMNS or len({field[0] for field in fields}) != len(fields):
            raise ValueError("at most 64 columns, each with a number of its own")
        if any(not 0 < field[0] < 2**29 for field in fields):
            raise ValueError("a field number is in 1 to 2**29 - 1")
        if not 0 < max_payload <= MAX_FIELD_BYTES:
            raise ValueError("max_payload is in 1 to 2**24 - 1")
        self.names = {}
        (table.event_id, table.revision, table.game_id, table.sequence, table.event_time,
         table.ingest_time, table.kind) = envelope
        table.columns = len(fields)
        table.max_payload = max_payload
        table.trust_ingest_time = trust_ingest_time
        table.timers = copy_numbers(set(timers))
        table.n_timers = len(set(timers))
        table.timer_columns = (
            <uint64_t>1 << table.event_time | <uint64_t>1 << table.ingest_time
            | <uint64_t>1 << table.kind
        )
        memset(table.direct, NO_COLUMN, DIRECT)
        for column, field in enumerate(fields):
            self.add(column, field, timers if column == table.kind else (), max_names)
        table.needed |= (
            <uint64_t>1 << table.event_id | <uint64_t>1 << table.game_id
            | <uint64_t>1 << table.sequence
        )
        table.needed &= ~(<uint64_t>1 << table.ingest_time)

    cdef void add(self, int column, tuple described, tuple more_values, max_names) except *:
        """Take up one column."""
        cdef Field* field = &self.table.fields[column]
        cdef Names names
        check = check_of(described)
        self.table.numbers[column] = described[0]
        if described[0] << 3 < DIRECT:
            self.table.direct[described[0] << 3 | check.wire] = column
        field.op = OPS.get(check.type, OP_PLAIN)
        field.wire = check.wire
        if check.required:
            self.table.needed |= <uint64_t>1 << column
        if field.op == OP_DOUBLE:
            field.double_low, field.double_high = check.low, check.high
        else:
            field.low, field.high = check.low, check.high
        field.length = check.max_bytes
        values = check.values | set(more_values)
        more = {value for value in values if not 0 <= value < 64}
        for value in values - more:
            field.few |= <uint64_t>1 << <int>value
        field.values = copy_numbers(more)
        field.n_values = len(more)
        if field.op == OP_STRING:
            names = self.names[column] = Names(max_names)
            field.names = &names.interner
            self.table.strings |= <uint64_t>1 << column

    def __dealloc__(self):
        cdef int column
        for column in range(MAX_COLUMNS):
            free(self.table.fields[column].values)
        free(self.table.timers)

    def snapshot(self):
        """Return the names of all string columns as bytes."""
        parts = [names.snapshot() for names in self.names.values()]
        return struct.pack(f"<I{len(parts)}Q", len(parts), *map(len, parts)) + b"".join(parts)

    def restore(self, state):
        """Take up names that `snapshot` of either twin gave.

        Raises:
            ValueError: The bytes are no such snapshot, or one of other columns.
        """
        for names, part in zip(self.names.values(), split_parts(state), strict=True):
            names.restore(part)


# --------------------------------------------------------------------------------------- decode

cdef inline bint utf8_tail(const uint8_t* at, int count) noexcept nogil:
    cdef int i
    for i in range(count):
        if at[i] & 0xC0 != 0x80:
            return False
    return True


cdef bint is_utf8_slowly(const uint8_t* at, uint64_t length) noexcept nogil:
    """Check UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF."""
    cdef const uint8_t* end = at + length
    cdef uint8_t lead
    cdef int more
    while at < end:
        lead = at[0]
        at += 1
        if lead < 0x80:
            continue
        if lead < 0xC2 or lead > 0xF4:
            return False
        more = 1 if lead < 0xE0 else 2 if lead < 0xF0 else 3
        if end - at < more or not utf8_tail(at, more):
            return False
        if ((lead == 0xE0 and at[0] < 0xA0) or (lead == 0xED and at[0] > 0x9F)
                or (lead == 0xF0 and at[0] < 0x90) or (lead == 0xF4 and at[0] > 0x8F)):
            return False
        at += more
    return True


cdef inline bint is_utf8(const uint8_t* at, uint64_t length) noexcept nogil:
    """Check UTF-8, 8 ASCII bytes at a time."""
    while length >= 8 and not wire_load64(at) & <uint64_t>0x8080808080808080:
        at += 8
        length -= 8
    return length == 0 or is_utf8_slowly(at, length)


cdef inline int column_of(const Table* table, uint64_t number) noexcept nogil:
    """Return the column of a field number, or NO_COLUMN."""
    cdef int column
    for column in range(table.columns):
        if table.numbers[column] == number:
            return column
    return NO_COLUMN


cdef inline bint has_value(const Field* field, int64_t value) noexcept nogil:
    """Say whether an enum has a value."""
    cdef int i
    if wire_likely(0 <= value < 64):
        return (field.few >> value) & 1
    for i in range(field.n_values):
        if field.values[i] == value:
            return True
    return False


cdef inline uint8_t read_double(const Field* field, Span* span, int64_t* word) noexcept nogil:
    cdef uint64_t bits
    cdef double value
    if read_fixed64(span, &bits):
        return WIRE_TRUNCATED
    memcpy(&value, &bits, 8)
    if not isfinite(value):
        return WIRE_NOT_FINITE
    if value < field.double_low or value > field.double_high:
        return WIRE_OUT_OF_RANGE
    if value == 0:
        bits = 0
    word[0] = <int64_t>bits
    return WIRE_OK


cdef inline uint8_t read_span(const Field* field, const uint8_t* base, Span* span,
                              int64_t* word) noexcept nogil:
    cdef uint64_t length
    cdef uint8_t status = read_varint(span, &length)
    cdef const uint8_t* at = span.at
    if status:
        return status
    if length > <uint64_t>(span.end - at):
        return WIRE_TRUNCATED
    span.at += length
    if length > field.length:
        return WIRE_OVERSIZED
    if field.op == OP_STRING and not is_utf8(at, length):
        return WIRE_BAD_UTF8
    word[0] = <int64_t>(<uint64_t>(at - base) << SPAN_BITS | length)
    return WIRE_OK


cdef inline uint8_t read_word(const Field* field, const uint8_t* base, Span* span,
                              int64_t* word) noexcept nogil:
    """Read one value and check it."""
    cdef uint64_t raw
    cdef int64_t value
    cdef uint8_t status
    if field.wire == WIRE_VARINT:
        status = read_varint(span, &raw)
        if wire_unlikely(status):
            return status
        if field.op == OP_ENUM:
            word[0] = <int64_t>raw
            return WIRE_OK if has_value(field, <int64_t>raw) else WIRE_UNKNOWN_ENUM
        value = zigzag(raw) if field.op == OP_ZIGZAG else <int64_t>raw
        if wire_unlikely(value < field.low or value > field.high):
            return WIRE_OUT_OF_RANGE
        word[0] = value
        return WIRE_OK
    if field.wire == WIRE_FIXED64:
        return read_double(field, span, word)
    return read_span(field, base, span, word)


cdef uint8_t find_column(const Table* table, uint64_t tag, Span* span, int* column,
                         int16_t* detail) noexcept nogil:
    """Find the column of a tag that is not in the table; pass over the value if there is none."""
    cdef uint64_t number = tag >> 3
    cdef int wire = tag & 7
    column[0] = NO_COLUMN
    if tag > <uint64_t>0xFFFFFFFF or number == 0 or not (1 << wire) & 0b100111:
        return WIRE_MALFORMED
    column[0] = column_of(table, number)
    if column[0] == NO_COLUMN:
        return skip_value(span, wire)
    if table.fields[column[0]].wire != wire:
        detail[0] = column[0]
        return WIRE_WRONG_WIRE_TYPE
    return WIRE_OK


cdef inline uint8_t decode_row(const Table* table, const uint8_t* base, Span* span, int64_t* row,
                               uint64_t* present, int16_t* detail) noexcept nogil:
    """Read one payload into `row` by column; strings and bytes as spans."""
    cdef uint64_t tag, found = 0
    cdef int column
    cdef uint8_t status
    while span.at < span.end:
        if wire_likely(span.at[0] < 0x80):
            tag = span.at[0]
            span.at += 1
        else:
            status = read_varint(span, &tag)
            if wire_unlikely(status):
                return status
        column = table.direct[tag] if wire_likely(tag < DIRECT) else NO_COLUMN
        if wire_unlikely(column == NO_COLUMN):
            status = find_column(table, tag, span, &column, detail)
            if status:
                return status
            if column == NO_COLUMN:
                continue
        status = read_word(&table.fields[column], base, span, &row[column])
        if wire_unlikely(status):
            if status != WIRE_TRUNCATED and status != WIRE_MALFORMED:
                detail[0] = column
            return status
        found |= <uint64_t>1 << column
    present[0] = found
    return WIRE_OK


cdef inline bint is_timer(const Table* table, int64_t kind) noexcept nogil:
    cdef int i
    for i in range(table.n_timers):
        if table.timers[i] == kind:
            return True
    return False


cdef inline uint8_t check_present(const Table* table, const int64_t* row, uint64_t present,
                                  int16_t* detail) noexcept nogil:
    """Find the first column that must be there and is not; an empty id is not there."""
    cdef int column
    if row[table.event_id] & LENGTH_MASK == 0:
        present &= ~(<uint64_t>1 << table.event_id)
    if row[table.game_id] & LENGTH_MASK == 0:
        present &= ~(<uint64_t>1 << table.game_id)
    if wire_likely(table.needed & ~present == 0):
        return WIRE_OK
    for column in range(table.columns):
        if table.needed & ~present & <uint64_t>1 << column:
            detail[0] = column
            break
    return WIRE_MISSING_FIELD


cdef inline uint8_t number_strings(const Table* table, const uint8_t* base, int64_t* row,
                                   uint64_t present, Hash* game, int16_t* detail) noexcept nogil:
    """Replace the spans of strings by the numbers of their names: all, or none."""
    cdef int64_t numbers[MAX_COLUMNS]
    cdef Hash hashes[MAX_COLUMNS]
    cdef Interner* names
    cdef const uint8_t* at
    cdef uint64_t length
    cdef uint64_t strings = table.strings & present
    cdef uint64_t left = strings
    cdef int column
    cdef bint new = False
    while left:
        column = wire_ctz64(left)
        left &= left - 1
        names = table.fields[column].names
        at = base + (<uint64_t>row[column] >> SPAN_BITS)
        length = row[column] & LENGTH_MASK
        hashes[column] = hash_name(at, length)
        if column == table.game_id:
            game[0] = hashes[column]
        numbers[column] = find_hashed(names, at, length, &hashes[column])
        if wire_unlikely(numbers[column] < 0):
            new = True
            if names.count >= names.limit:
                detail[0] = column
                return WIRE_TOO_MANY_IDS
    while strings:
        column = wire_ctz64(strings)
        strings &= strings - 1
        if wire_unlikely(new and numbers[column] < 0):
            numbers[column] = intern_hashed(
                table.fields[column].names, base + (<uint64_t>row[column] >> SPAN_BITS),
                row[column] & LENGTH_MASK, &hashes[column]
            )
            if numbers[column] < 0:
                return OUT_OF_MEMORY
        row[column] = numbers[column]
    return WIRE_OK


cdef inline uint8_t finish_row(const Table* table, const uint8_t* base, int64_t* row,
                               uint64_t* present, Hash* key, int16_t* detail) noexcept nogil:
    """Check what a row must have, number its strings and make its key."""
    cdef int64_t event_id
    cdef uint8_t status
    cdef int column
    if not present[0] >> table.kind & 1:
        detail[0] = table.kind
        return WIRE_MISSING_FIELD
    if wire_unlikely(is_timer(table, row[table.kind])):
        present[0] &= table.timer_columns
        for column in range(table.columns):
            if not table.timer_columns >> column & 1:
                row[column] = 0
        return WIRE_OK
    status = check_present(table, row, present[0], detail)
    if wire_unlikely(status):
        return status
    status = number_strings(table, base, row, present[0], key, detail)
    if wire_unlikely(status):
        return status
    event_id = row[table.event_id]
    absorb_bytes(key, base + (<uint64_t>event_id >> SPAN_BITS), event_id & LENGTH_MASK)
    absorb(key, event_id & LENGTH_MASK, row[table.revision])
    return WIRE_OK


cdef bint read_place(const Table* table, const uint8_t* base, Span* span,
                     int64_t* row) noexcept nogil:
    """Read the game's span and the sequence of a payload, and pass over all else."""
    cdef uint64_t tag, number, found = 0
    cdef uint64_t wanted = <uint64_t>1 << table.game_id | <uint64_t>1 << table.sequence
    cdef int column, wire
    while span.at < span.end:
        if read_varint(span, &tag):
            return False
        number, wire = tag >> 3, tag & 7
        if tag > <uint64_t>0xFFFFFFFF or number == 0 or not (1 << wire) & 0b100111:
            return False
        column = column_of(table, number)
        if column == table.game_id or column == table.sequence:
            if (table.fields[column].wire != wire
                    or read_word(&table.fields[column], base, span, &row[column])):
                return False
            found |= <uint64_t>1 << column
        elif skip_value(span, wire):
            return False
    return found == wanted


cdef uint64_t keep_place(const Table* table, const uint8_t* base, int64_t start, int64_t end,
                         int64_t* row) noexcept nogil:
    """Leave the game (a known one) and the sequence of a faulty row in it; return their bits."""
    cdef Span span
    cdef Hash hashed
    cdef int64_t number = -1
    cdef const uint8_t* name
    cdef uint64_t length
    span.at = base + start
    span.end = base + end
    if read_place(table, base, &span, row):
        name = base + (<uint64_t>row[table.game_id] >> SPAN_BITS)
        length = row[table.game_id] & LENGTH_MASK
        hashed = hash_name(name, length)
        number = find_hashed(table.fields[table.game_id].names, name, length, &hashed)
    row[table.game_id] = max(number, <int64_t>0)
    if number < 0:
        row[table.sequence] = 0
        return 0
    return <uint64_t>1 << table.game_id | <uint64_t>1 << table.sequence


cdef inline uint8_t take_row(const Table* table, const uint8_t* base, int64_t size,
                             int64_t start, int64_t end, int64_t arrived, int64_t* row,
                             uint64_t* present, Hash* key, int16_t* detail) noexcept nogil:
    """Decode one payload and check it; of one that is turned away only time and place stay."""
    cdef Span span
    cdef uint8_t status
    cdef uint64_t ingest = <uint64_t>1 << table.ingest_time
    present[0] = 0
    detail[0] = -1
    key.low = key.high = 0
    memset(row, 0, table.columns * sizeof(int64_t))
    if start < 0 or start > end or end > size:
        status = WIRE_TRUNCATED
    elif end - start > table.max_payload:
        status = WIRE_OVERSIZED
    else:
        span.at = base + start
        span.end = base + end
        status = decode_row(table, base, &span, row, present, detail)
        if wire_likely(status == WIRE_OK):
            status = finish_row(table, base, row, present, key, detail)
    if wire_unlikely(status):
        present[0] = 0
        key.low = key.high = 0
        memset(row, 0, table.columns * sizeof(int64_t))
        if detail[0] >= 0:
            present[0] = keep_place(table, base, start, end, row)
        row[table.ingest_time] = arrived
        return status
    if not (table.trust_ingest_time and present[0] & ingest):
        row[table.ingest_time] = arrived
    present[0] |= ingest
    return WIRE_OK


cdef inline void write_block(const int64_t* block, int64_t* words, int columns, int64_t stride,
                             int rows) noexcept nogil:
    """Turn a block of rows into columns."""
    cdef int column, row
    cdef int64_t* to
    for column in range(columns):
        to = words + column * stride
        if rows == BLOCK:
            for row in range(BLOCK):
                to[row] = block[row * MAX_COLUMNS + column]
        else:
            for row in range(rows):
                to[row] = block[row * MAX_COLUMNS + column]


def decode(payloads, DecodeTable table, columns):
    """Decode payloads into columns and return how many rows are good; see `_decode_py.decode`."""
    cdef const uint8_t[::1] data = payloads[0]
    cdef const int64_t[::1] starts = payloads[1]
    cdef const int64_t[::1] ends = payloads[2]
    cdef const int64_t[::1] ingest_us = payloads[3]
    cdef int64_t[:, ::1] words = columns[0]
    cdef uint64_t[::1] present = columns[1]
    cdef uint64_t[:, ::1] keys = columns[2]
    cdef uint8_t[::1] status = columns[3]
    cdef int16_t[::1] detail = columns[4]
    cdef int64_t n = starts.shape[0]
    cdef int64_t size = data.shape[0]
    cdef const Table* checks = &table.table
    cdef const uint8_t* base = NULL
    cdef int64_t block[BLOCK * MAX_COLUMNS]
    cdef Hash key
    cdef int64_t first, row, good = 0
    cdef int at, rows
    cdef bint memory = True
    if not (ends.shape[0] == ingest_us.shape[0] == n
            and words.shape[0] == checks.columns and words.shape[1] == n and present.shape[0] == n
            and keys.shape[0] == 2 and keys.shape[1] == n and status.shape[0] == n
            and detail.shape[0] == n):
        raise ValueError("payloads and columns differ in length, or columns from the table")
    if n == 0:
        return 0
    if size:
        base = &data[0]
    with nogil:
        first = 0
        while first < n and memory:
            rows = <int>min(<int64_t>BLOCK, n - first)
            for at in range(rows):
                row = first + at
                status[row] = take_row(
                    checks, base, size, starts[row], ends[row], ingest_us[row],
                    &block[at * MAX_COLUMNS], &present[row], &key, &detail[row]
                )
                keys[0, row] = key.low
                keys[1, row] = key.high
                good += status[row] == WIRE_OK
                memory = memory and status[row] != OUT_OF_MEMORY
            write_block(block, &words[0, first], checks.columns, n, rows)
            first += rows
    for names in table.names.values():
        (<Names>names).follow()
    if not memory:
        raise MemoryError
    return good

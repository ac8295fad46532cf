# cython: language_level=3
"""Records between librdkafka and columns, past Python; see `_kafka_py` for the meaning.

The library is the very one that confluent-kafka has loaded: its symbols are looked up in the
extension module of confluent-kafka and what that is linked with; nothing is loaded a second time.
Of librdkafka only functions of the public interface are used, and the public message structure.
"""

import sys
import time

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

import numpy as np

from oddspipe.ext.records import QUEUE_FULL as _FULL
from oddspipe.ext.records import (
    Group,
    Notice,
    Pulled,
    PushError,
    UnverifiedError,
    partitions_of,
)

cdef extern from "<dlfcn.h>" nogil:
    void* dlopen(const char* path, int flags)
    void* dlsym(void* library, const char* name)
    int RTLD_NOW
    int RTLD_NOLOAD

TESTED = (0x020E0200, 0x021100FF)
"""librdkafka 2.14.2 up to, not including, 2.17: the range whose handle layout was tried."""

cdef int QUEUE_FULL = _FULL
cdef int COPY = 0x2
cdef int PARTITION_GIVEN = 0x8
FULL_WAIT_S = 0.01
MOST_NOTICES = 1000

cdef struct Message:  # rd_kafka_message_t
    int err
    void* topic
    int32_t partition
    void* payload
    size_t length
    void* key
    size_t key_length
    int64_t offset
    void* opaque

ctypedef int (*version_t)() noexcept nogil
ctypedef const char* (*name_t)(const void*) noexcept nogil
ctypedef const char* (*error_t)(int) noexcept nogil
ctypedef void* (*queue_new_t)(void*) noexcept nogil
ctypedef void (*one_t)(void*) noexcept nogil
ctypedef void* (*queue_partition_t)(void*, const char*, int32_t) noexcept nogil
ctypedef void (*forward_t)(void*, void*) noexcept nogil
ctypedef Message* (*consume_t)(void*, int) noexcept nogil
ctypedef ssize_t (*consume_batch_t)(void*, int, Message**, size_t) noexcept nogil
ctypedef void (*message_destroy_t)(Message*) noexcept nogil
ctypedef int64_t (*timestamp_t)(const Message*, int*) noexcept nogil
ctypedef const char* (*message_error_t)(const Message*) noexcept nogil
ctypedef int (*headers_t)(const Message*, void**) noexcept nogil
ctypedef int (*header_t)(void*, size_t, const char**, const void**, size_t*) noexcept nogil
ctypedef void* (*topic_new_t)(void*, const char*, void*) noexcept nogil
ctypedef int (*produce_batch_t)(void*, int32_t, int, Message*, int) noexcept nogil

cdef struct Library:
    version_t version
    name_t name
    name_t topic_name
    error_t error_name
    queue_new_t queue_new
    one_t queue_destroy
    queue_partition_t queue_partition
    forward_t forward
    consume_t consume
    consume_batch_t consume_batch
    message_destroy_t message_destroy
    timestamp_t timestamp
    message_error_t message_error
    headers_t headers
    header_t header
    topic_new_t topic_new
    one_t topic_destroy
    produce_batch_t produce_batch

cdef uint8_t NOWHERE = 0
cdef Library lib
cdef bint is_loaded = False

cdef struct Slot:
    void* topic        # as seen in messages since the last claim or release; NULL before
    int32_t partition
    bint claimed
    bint settled       # gave a record since it was claimed
    int64_t rows       # of the pull that is being laid out
    int64_t row
    int64_t bytes
    int64_t at


cdef void* symbol(void* library, const char* name) except NULL:
    cdef void* found = dlsym(library, name)
    if found == NULL:
        raise UnverifiedError(f"librdkafka has no {name.decode()}")
    return found


cdef int load() except -1:
    # Look every function up, once; refuse a library that was not tried.
    global is_loaded
    if is_loaded:
        return 0
    module = sys.modules.get("confluent_kafka.cimpl")
    if module is None or not getattr(module, "__file__", None):
        raise UnverifiedError("confluent-kafka is not loaded")
    cdef bytes path = module.__file__.encode()
    cdef void* found = dlopen(path, RTLD_NOW | RTLD_NOLOAD)
    if found == NULL:
        raise UnverifiedError(f"{module.__file__} is not loaded")
    lib.version = <version_t>symbol(found, "rd_kafka_version")
    cdef int version = lib.version()
    if not TESTED[0] <= version < TESTED[1] or version != module.libversion()[1]:
        raise UnverifiedError(f"librdkafka {module.libversion()[0]} was not tried")
    lib.name = <name_t>symbol(found, "rd_kafka_name")
    lib.topic_name = <name_t>symbol(found, "rd_kafka_topic_name")
    lib.error_name = <error_t>symbol(found, "rd_kafka_err2name")
    lib.queue_new = <queue_new_t>symbol(found, "rd_kafka_queue_new")
    lib.queue_destroy = <one_t>symbol(found, "rd_kafka_queue_destroy")
    lib.queue_partition = <queue_partition_t>symbol(found, "rd_kafka_queue_get_partition")
    lib.forward = <forward_t>symbol(found, "rd_kafka_queue_forward")
    lib.consume = <consume_t>symbol(found, "rd_kafka_consume_queue")
    lib.consume_batch = <consume_batch_t>symbol(found, "rd_kafka_consume_batch_queue")
    lib.message_destroy = <message_destroy_t>symbol(found, "rd_kafka_message_destroy")
    lib.timestamp = <timestamp_t>symbol(found, "rd_kafka_message_timestamp")
    lib.message_error = <message_error_t>symbol(found, "rd_kafka_message_errstr")
    lib.headers = <headers_t>symbol(found, "rd_kafka_message_headers")
    lib.header = <header_t>symbol(found, "rd_kafka_header_get_all")
    lib.topic_new = <topic_new_t>symbol(found, "rd_kafka_topic_new")
    lib.topic_destroy = <one_t>symbol(found, "rd_kafka_topic_destroy")
    lib.produce_batch = <produce_batch_t>symbol(found, "rd_kafka_produce_batch")
    is_loaded = True
    return 0


cdef inline void* pointer_in(client) noexcept:
    # The first field of confluent-kafka's Handle is the rd_kafka_t *; NULL once it is closed.
    return (<void**>(<char*><PyObject*>client + sizeof(PyObject)))[0]


cdef void* verified(client, str client_id, str kind) except NULL:
    # Return the client's rd_kafka_t *, known by its name.
    load()
    if not client_id:
        raise UnverifiedError(f"the {kind} has no client.id to be known by")
    ours = getattr(sys.modules["confluent_kafka.cimpl"], kind)
    if not isinstance(client, ours) or ours.__basicsize__ < sizeof(PyObject) + sizeof(void*):
        raise UnverifiedError(f"{type(client).__name__} is not a {kind} of confluent-kafka")
    cdef void* handle = pointer_in(client)
    if handle == NULL:
        raise RuntimeError(f"the {kind} is closed")
    cdef const char* name = lib.name(handle)
    if name == NULL or not (<bytes>name).startswith(client_id.encode() + b"#"):
        raise UnverifiedError(f"the handle of the {kind} is not called {client_id}")
    return handle


cdef inline int slot_of(Slot* slots, int count, Message* message, int last) noexcept nogil:
    cdef int at
    if last >= 0 and slots[last].topic == message.topic:
        if slots[last].partition == message.partition:
            return last
    for at in range(count):
        if slots[at].topic == message.topic and slots[at].partition == message.partition:
            return at
    return -1


cdef void copy_rows(
    Message** messages, const int32_t* slot_at, int count, Slot* slots, uint8_t* data,
    int64_t* starts, int64_t* ends, int64_t* times, int64_t* offsets, int32_t* message_at,
) noexcept nogil:
    # Lay messages out by slot; `row` and `at` of a slot say where its next one goes.
    cdef int i, kind = 0
    cdef Slot* slot
    cdef Message* message
    cdef int64_t row, time_ms
    for i in range(count):
        if slot_at[i] < 0:
            continue
        slot = &slots[slot_at[i]]
        message = messages[i]
        row = slot.row
        slot.row += 1
        starts[row] = slot.at
        if message.length:
            memcpy(data + slot.at, message.payload, message.length)
            slot.at += <int64_t>message.length
        ends[row] = slot.at
        time_ms = lib.timestamp(message, &kind)
        times[row] = time_ms * 1000 if time_ms > 0 else 0
        offsets[row] = message.offset
        message_at[row] = i


@cython.no_gc_clear
cdef class Puller:
    cdef object _consumer
    cdef void* _handle
    cdef void* _queue
    cdef Message** _messages
    cdef int32_t* _slot_at
    cdef int32_t* _message_at
    cdef int _room
    cdef int _held
    cdef int64_t _rows
    cdef Slot* _slots
    cdef int _slot_count
    cdef list _places      # (topic, partition) by slot
    cdef dict _numbers     # slot by (topic, partition)

    def __cinit__(self):
        self._places = []
        self._numbers = {}

    def __init__(self, consumer, str client_id):
        self._handle = verified(consumer, client_id, "Consumer")
        self._consumer = consumer
        self._queue = lib.queue_new(self._handle)

    def __dealloc__(self):
        if self._queue != NULL and pointer_in(self._consumer) == self._handle:
            self._drop()
            lib.queue_destroy(self._queue)
        free(self._messages)
        free(self._slot_at)
        free(self._message_at)
        free(self._slots)

    def claim(self, str topic, int partition):
        self._check()
        cdef int number = self._number(topic, partition)
        self._forward(topic, partition, self._queue)
        self._slots[number].claimed = True
        self._slots[number].settled = False
        self._forget_topics()

    def release(self, str topic, int partition):
        if self._queue == NULL or pointer_in(self._consumer) != self._handle:
            return
        self._forward(topic, partition, NULL)
        self._slots[self._number(topic, partition)].claimed = False
        self._forget_topics()

    def pull(self, int limit, int timeout_ms):
        cdef int got, wanted = limit
        cdef Message* first
        self._check()
        self._drop()
        self._make_room(limit)
        notices, leaked = self._serve()
        self._settle()
        with nogil:
            first = lib.consume(self._queue, timeout_ms)
            got = 0
            if first != NULL:
                self._messages[0] = first
                got = 1
                if wanted > 1:
                    got += max(0, <int>lib.consume_batch(
                        self._queue, 0, self._messages + 1, <size_t>(wanted - 1)
                    ))
        self._held = got
        return self._laid_out(notices, leaked)

    def key(self, int64_t row):
        cdef Message* message = self._message(row)
        if message.key == NULL:
            return None
        return (<char*>message.key)[: message.key_length]

    def headers(self, int64_t row):
        cdef Message* message = self._message(row)
        cdef void* headers = NULL
        cdef const char* name = NULL
        cdef const void* value = NULL
        cdef size_t size = 0, at = 0
        found = []
        if lib.headers(message, &headers) != 0:
            return found
        while lib.header(headers, at, &name, &value, &size) == 0:
            found.append((name.decode(), None if value == NULL else (<char*>value)[:size]))
            at += 1
        return found

    def close(self):
        cdef int at
        if self._queue == NULL:
            return
        if pointer_in(self._consumer) == self._handle:
            self._drop()
            for at in range(self._slot_count):
                if self._slots[at].claimed:
                    topic, partition = self._places[at]
                    self._forward(topic, partition, NULL)
            lib.queue_destroy(self._queue)
        self._queue = NULL

    cdef int _check(self) except -1:
        if self._queue == NULL:
            raise RuntimeError("the puller is closed")
        if pointer_in(self._consumer) != self._handle:
            raise RuntimeError("the consumer is closed")
        return 0

    cdef int _forward(self, str topic, int partition, void* to) except -1:
        cdef bytes name = topic.encode()
        cdef void* queue = lib.queue_partition(self._handle, name, partition)
        if queue == NULL:
            raise RuntimeError(f"{topic} [{partition}] has no queue")
        lib.forward(queue, to)
        lib.queue_destroy(queue)
        return 0

    cdef int _number(self, str topic, int partition) except -1:
        # Return the slot of a partition; a new one is not claimed.
        cdef Slot* grown
        place = (topic, partition)
        if place not in self._numbers:
            grown = <Slot*>realloc(self._slots, (self._slot_count + 1) * sizeof(Slot))
            if grown == NULL:
                raise MemoryError
            self._slots = grown
            memset(&grown[self._slot_count], 0, sizeof(Slot))
            grown[self._slot_count].partition = partition
            self._numbers[place] = self._slot_count
            self._places.append(place)
            self._slot_count += 1
        return self._numbers[place]

    cdef void _forget_topics(self) noexcept:
        # A topic's pointer is known only as long as its partitions stay; names are looked up again.
        cdef int at
        for at in range(self._slot_count):
            self._slots[at].topic = NULL

    cdef void _drop(self) noexcept:
        # Destroy the messages of the last pull.
        cdef int at
        with nogil:
            for at in range(self._held):
                lib.message_destroy(self._messages[at])
        self._held = 0
        self._rows = 0

    cdef int _make_room(self, int limit) except -1:
        if limit < 1:
            raise ValueError("a pull takes one record at least")
        if limit <= self._room:
            return 0
        free(self._messages)
        free(self._slot_at)
        free(self._message_at)
        self._room = 0
        self._messages = <Message**>malloc(limit * sizeof(Message*))
        self._slot_at = <int32_t*>malloc(limit * sizeof(int32_t))
        self._message_at = <int32_t*>malloc(limit * sizeof(int32_t))
        if self._messages == NULL or self._slot_at == NULL or self._message_at == NULL:
            raise MemoryError
        self._room = limit
        return 0

    cdef int _settle(self) except -1:
        # A partition that comes back soon after it was revoked may still be about to stop, which
        # undoes the forwarding once more: done again until records come through it.
        cdef int at
        for at in range(self._slot_count):
            if self._slots[at].claimed and not self._slots[at].settled:
                topic, partition = self._places[at]
                self._forward(topic, partition, self._queue)
        return 0

    def _serve(self):
        # Run the consumer's callbacks; give what it says, and how many records nobody claimed.
        notices, leaked = [], 0
        for _ in range(MOST_NOTICES):
            message = self._consumer.poll(0)
            self._check()
            if message is None:
                break
            error = message.error()
            if error is not None:
                notices.append(_notice_of(message, error))
                continue
            place = (message.topic(), message.partition())
            number = self._numbers.get(place, -1)
            if number >= 0 and self._slots[<int>number].claimed:
                raise RuntimeError(f"a record of {place[0]} [{place[1]}] passed its queue by")
            leaked += 1
        return notices, leaked

    cdef _laid_out(self, list notices, int64_t dropped):
        cdef int i, at = 0, last = -1, unknown, got = self._held
        cdef int64_t rows = 0, size = 0
        cdef Message* message
        cdef Slot* slot
        cdef list order = [], nulls = []
        for i in range(self._slot_count):
            self._slots[i].rows = self._slots[i].bytes = 0
        while at < got:
            unknown = self._classify(&at, &last)
            if unknown:
                message = self._messages[at]
                name = lib.topic_name(message.topic).decode()
                last = self._number(name, message.partition)
                self._slots[last].topic = message.topic
        first_at = np.full(self._slot_count, got, np.int64)
        cdef int64_t[::1] first = first_at
        for i in range(got - 1, -1, -1):
            if self._slot_at[i] >= 0:
                first[self._slot_at[i]] = i
            elif self._slot_at[i] == -1:
                dropped += 1
            else:
                notices.append(self._notice(self._messages[i]))
        for i in np.argsort(first_at, kind="stable").tolist():
            slot = &self._slots[i]
            if slot.rows == 0:
                break
            topic, partition = self._places[i]
            order.append(Group(topic, partition, rows, rows + slot.rows))
            slot.row, slot.at = rows, size
            rows += slot.rows
            size += slot.bytes
        data = np.empty(size, np.uint8)
        columns = np.empty((4, rows), np.int64)
        self._rows = rows
        cdef uint8_t[::1] bytes_view = data
        cdef int64_t[:, ::1] column = columns
        if rows:
            with nogil:
                copy_rows(
                    self._messages, self._slot_at, got, self._slots,
                    &bytes_view[0] if size else NULL, &column[0, 0], &column[1, 0], &column[2, 0],
                    &column[3, 0], self._message_at,
                )
                for i in range(<int>rows):
                    if self._messages[self._message_at[i]].payload == NULL:
                        with gil:
                            nulls.append(i)
        return Pulled(
            data, columns[0], columns[1], columns[2], columns[3], tuple(order), tuple(nulls),
            tuple(notices), dropped,
        )

    cdef bint _classify(self, int* at, int* last) noexcept nogil:
        # Give every message from `at` on its slot: -1 not claimed, -2 no record. Stop at, and
        # return whether there is, one of a partition that no slot knows.
        cdef int found
        cdef Message* message
        while at[0] < self._held:
            message = self._messages[at[0]]
            if message.err:
                self._slot_at[at[0]] = -2
                at[0] += 1
                continue
            found = slot_of(self._slots, self._slot_count, message, last[0])
            if found < 0:
                return True
            last[0] = found
            if self._slots[found].claimed:
                self._slot_at[at[0]] = found
                self._slots[found].settled = True
                self._slots[found].rows += 1
                self._slots[found].bytes += <int64_t>message.length
            else:
                self._slot_at[at[0]] = -1
            at[0] += 1
        return False

    cdef Message* _message(self, int64_t row) except NULL:
        if row < 0 or row >= self._rows:
            raise IndexError(f"the last pull has no row {row}")
        return self._messages[self._message_at[row]]

    cdef _notice(self, Message* message):
        cdef const char* topic = NULL
        cdef const char* text = lib.message_error(message)
        if message.topic != NULL:
            topic = lib.topic_name(message.topic)
        return Notice(
            message.err,
            lib.error_name(message.err).decode(),
            topic.decode() if topic != NULL else "",
            message.partition,
            message.offset,
            text.decode(errors="replace") if text != NULL else "",
        )


def _notice_of(message, error):
    partition, offset = message.partition(), message.offset()
    return Notice(
        error.code(), error.name(), message.topic() or "",
        -1 if partition is None else partition, -1 if offset is None else offset, error.str(),
    )


@cython.no_gc_clear
cdef class Pusher:
    cdef object _producer
    cdef void* _handle
    cdef dict _topics      # address of the topic's handle by its name
    cdef dict _partitions  # number of its partitions
    cdef Message* _messages
    cdef int _room

    def __cinit__(self):
        self._topics = {}
        self._partitions = {}

    def __init__(self, producer, str client_id):
        self._handle = verified(producer, client_id, "Producer")
        self._producer = producer

    def __dealloc__(self):
        self._let_go()
        free(self._messages)

    def push(self, str topic, rows, double timeout_s):
        cdef void* handle
        cdef int count = len(rows), done = 0, failed
        if self._handle == NULL:
            raise RuntimeError("the pusher is closed")
        if pointer_in(self._producer) != self._handle:
            raise RuntimeError("the producer is closed")
        handle = self._topic(topic, timeout_s)
        rows.check(self._partitions[topic])
        self._fill(count, rows.partitions, rows.payloads, rows.keys)
        deadline = time.monotonic() + timeout_s
        while done < count:
            with nogil:
                failed = self._produce(handle, &done, count)
            if failed and failed != QUEUE_FULL or (failed and time.monotonic() > deadline):
                raise PushError(done, failed, lib.error_name(failed).decode())
            if failed:
                self._producer.poll(FULL_WAIT_S)
                if pointer_in(self._producer) != self._handle:
                    raise RuntimeError("the producer is closed")

    def close(self):
        self._let_go()
        self._handle = NULL

    cdef int _produce(self, void* topic, int* done, int rows) noexcept nogil:
        # Queue rows from `done` on; leave `done` at the first that was not, and return its error.
        # Once the queue is full librdkafka refuses all that follow, so order is kept.
        cdef int at
        lib.produce_batch(topic, -1, COPY | PARTITION_GIVEN, self._messages + done[0], rows - done[0])
        for at in range(done[0], rows):
            if self._messages[at].err:
                done[0] = at
                return self._messages[at].err
        done[0] = rows
        return 0

    cdef int _fill(self, int rows, partitions, payloads, keys) except -1:
        cdef const int32_t[::1] to = partitions
        cdef const uint8_t[::1] data = payloads.data
        cdef const int64_t[::1] starts = payloads.starts
        cdef const int64_t[::1] ends = payloads.ends
        cdef const uint8_t[::1] key_data = keys.data
        cdef const int64_t[::1] key_starts = keys.starts
        cdef const int64_t[::1] key_ends = keys.ends
        # A payload of no bytes is not the same as none, so it points somewhere.
        cdef const uint8_t* base = &data[0] if data.shape[0] else &NOWHERE
        cdef const uint8_t* key_base = &key_data[0] if key_data.shape[0] else &NOWHERE
        cdef Message* message
        cdef int row
        if rows > self._room:
            free(self._messages)
            self._room = 0
            self._messages = <Message*>malloc(rows * sizeof(Message))
            if self._messages == NULL:
                raise MemoryError
            self._room = rows
        if rows:
            memset(self._messages, 0, rows * sizeof(Message))
        with nogil:
            for row in range(rows):
                message = &self._messages[row]
                message.partition = to[row]
                if starts[row] >= 0:
                    message.payload = <void*>(base + starts[row])
                    message.length = <size_t>(ends[row] - starts[row])
                if key_starts[row] >= 0:
                    message.key = <void*>(key_base + key_starts[row])
                    message.key_length = <size_t>(key_ends[row] - key_starts[row])
        return 0

    cdef void* _topic(self, str name, double timeout_s) except NULL:
        cdef void* made
        cdef bytes text
        if name not in self._topics:
            text = name.encode()
            made = lib.topic_new(self._handle, text, NULL)
            if made == NULL:
                raise ValueError(f"{name!r} is no topic")
            self._topics[name] = <size_t>made
        if name not in self._partitions:
            # Records of a topic whose partitions are not known yet would never leave: librdkafka
            # takes such a batch into the transaction under no partition.
            self._partitions[name] = partitions_of(self._producer, name, timeout_s)
        return <void*><size_t>self._topics[name]

    cdef void _let_go(self) noexcept:
        if self._handle != NULL and pointer_in(self._producer) == self._handle:
            for made in self._topics.values():
                lib.topic_destroy(<void*><size_t>made)
        self._topics = {}

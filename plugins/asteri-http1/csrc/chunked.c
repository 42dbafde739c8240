/* The chunked coding, see `asteri_http1.chunked` for its rules. Size lines go byte by byte through a switch; the data
 * between them is only copied. */
#include "chunked.h"

#include "asteri/scan.h"
#include "asteri_http/fields.h"
#include "scanner.h"

#define EXTENSIONS_LIMIT 8192
#define SIZE_DIGITS 16

typedef enum {
    SIZE_START,
    SIZE,
    NAME_START,
    NAME,
    VALUE_START,
    TOKEN_VALUE,
    QUOTED,
    ESCAPED,
    QUOTED_END,
    LINE_LF,
    /* not of a size line */
    DATA,     /* `left` bytes of data come */
    DATA_END, /* CRLF comes */
    DATA_LF,
    TRAILERS,
    DONE,
    /* what was found is wrong */
    BAD_SIZE,
    BAD_EXTENSION,
    BAD_LINE_END,
} chunk_state;

struct h1_chunked {
    const h1_limits *limits; /* borrowed */
    uint64_t size;           /* what the digits say so far */
    uint64_t left;           /* of the data of the running chunk */
    int64_t promised;        /* the content that all sizes have announced; kept only where there is a limit */
    int digits;
    int extensions; /* bytes of all of them */
    chunk_state state;
    h1_scanner scanner; /* of the trailer section */
    char *block;        /* owned: the trailer section so far, NULL when it comes in one piece */
    Py_ssize_t block_size;
};

h1_chunked *
h1_chunked_new(const h1_limits *limits)
{
    h1_chunked *decoder = PyMem_Malloc(sizeof(h1_chunked));
    if (decoder == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    *decoder = (h1_chunked){.limits = limits};
    return decoder;
}

void
h1_chunked_free(h1_chunked *decoder)
{
    if (decoder != NULL) {
        PyMem_Free(decoder->block);
        PyMem_Free(decoder);
    }
}

/* -- size lines ---------------------------------------------------------------------------------------------------- */

static inline int
hex_of(unsigned char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    unsigned char letter = byte | 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* What may follow a whole extension, and the size. */
static chunk_state
next_extension(char byte, chunk_state otherwise)
{
    return byte == ';' ? NAME_START : byte == '\r' ? LINE_LF : otherwise;
}

/* The state behind a byte of a size line; DATA: the line has ended. */
static chunk_state
step(chunk_state state, char byte)
{
    int is_token = asteri_is(byte, ASTERI_TOKEN);
    switch (state) {
    case SIZE_START:
        return hex_of((unsigned char)byte) >= 0 ? SIZE : BAD_SIZE;
    case SIZE:
        return hex_of((unsigned char)byte) >= 0 ? SIZE : next_extension(byte, BAD_SIZE);
    case NAME_START:
        return is_token ? NAME : BAD_EXTENSION;
    case NAME:
        return is_token ? NAME : byte == '=' ? VALUE_START : next_extension(byte, BAD_EXTENSION);
    case VALUE_START:
        return is_token ? TOKEN_VALUE : byte == '"' ? QUOTED : BAD_EXTENSION;
    case TOKEN_VALUE:
        return is_token ? TOKEN_VALUE : next_extension(byte, BAD_EXTENSION);
    case QUOTED:
        if (byte == '"') {
            return QUOTED_END;
        }
        return byte == '\\' ? ESCAPED : asteri_is(byte, ASTERI_VALUE) ? QUOTED : BAD_EXTENSION;
    case ESCAPED:
        return asteri_is(byte, ASTERI_VALUE) ? QUOTED : BAD_EXTENSION;
    case QUOTED_END:
        return next_extension(byte, BAD_EXTENSION);
    default: /* LINE_LF */
        return byte == '\n' ? DATA : BAD_LINE_END;
    }
}

static int
refuse(const h1_state *state, const char *expected, char byte)
{
    PyObject *found = PyBytes_FromStringAndSize(&byte, 1);
    if (found != NULL) {
        http_refuse(&state->errors, 400, "%s, found %R", expected, found);
        Py_DECREF(found);
    }
    return -1;
}

/* A size line has ended. 0; -1: RemoteProtocolError. */
static int
start_data(const h1_state *state, h1_chunked *decoder)
{
    int64_t limit = decoder->limits->limit_request_body;
    uint64_t size = decoder->size;
    if (limit > 0) {
        if (size > (uint64_t)(limit - decoder->promised)) {
            return http_refuse(&state->errors, 413, "a body of more than %lld bytes", (long long)limit);
        }
        decoder->promised += (int64_t)size;
    }
    decoder->left = size;
    decoder->size = 0;
    decoder->digits = 0;
    if (size > 0) {
        decoder->state = DATA;
    }
    else {
        decoder->state = TRAILERS;
        h1_scanner_init(&decoder->scanner, decoder->limits, H1_AT_FIELD);
    }
    return 0;
}

/* The number of bytes taken, -1: RemoteProtocolError. */
static Py_ssize_t
read_size(const h1_state *state, h1_chunked *decoder, const char *data, Py_ssize_t size)
{
    static const char *const expected[] = {
        "expected a chunk size in hexadecimal digits",
        "expected a chunk extension as name[=value]",
        "expected CRLF after a chunk size",
    };
    chunk_state now = decoder->state;
    for (Py_ssize_t index = 0; index < size; index++) {
        now = step(now, data[index]);
        if (now == SIZE) {
            if (++decoder->digits > SIZE_DIGITS) {
                return http_refuse(&state->errors, 400, "a chunk size of more than %d digits", SIZE_DIGITS);
            }
            decoder->size = decoder->size << 4 | (uint64_t)hex_of((unsigned char)data[index]);
        }
        else if (now == DATA) {
            return start_data(state, decoder) < 0 ? -1 : index + 1;
        }
        else if (now >= BAD_SIZE) {
            return refuse(state, expected[now - BAD_SIZE], data[index]);
        }
        else if (now != LINE_LF && ++decoder->extensions > EXTENSIONS_LIMIT) {
            return http_refuse(&state->errors, 400, "more than %d bytes of chunk extensions", EXTENSIONS_LIMIT);
        }
    }
    decoder->state = now;
    return size;
}

/* One byte of the CRLF behind data. 0; -1: RemoteProtocolError. */
static int
read_data_end(const h1_state *state, h1_chunked *decoder, char byte)
{
    if (byte != (decoder->state == DATA_END ? '\r' : '\n')) {
        return refuse(state, "expected CRLF after chunk data", byte);
    }
    decoder->state = decoder->state == DATA_END ? DATA_LF : SIZE_START;
    return 0;
}

/* -- the trailer section ------------------------------------------------------------------------------------------- */

static int
append_trailer(PyObject *trailers, asteri_slice name, asteri_slice value)
{
    PyObject *lower = PyBytes_FromStringAndSize(NULL, name.size);
    if (lower == NULL) {
        return -1;
    }
    char *letters = PyBytes_AS_STRING(lower);
    for (Py_ssize_t index = 0; index < name.size; index++) {
        letters[index] = (char)Py_TOLOWER(Py_CHARMASK(name.data[index]));
    }
    int outcome = 0;
    if (http_keeps_trailer((asteri_slice){letters, name.size})) {
        PyObject *pair = Py_BuildValue("(Oy#)", lower, value.data, value.size);
        outcome = pair == NULL ? -1 : PyList_Append(trailers, pair);
        Py_XDECREF(pair);
    }
    Py_DECREF(lower);
    return outcome;
}

static inline int
is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* The fields of a section that the scanner has accepted, without its empty line. */
static int
append_trailers(PyObject *trailers, const char *data, Py_ssize_t size)
{
    Py_ssize_t at = 0;
    while (at < size) {
        Py_ssize_t colon = asteri_scan(data, at, size, ASTERI_TOKEN);
        Py_ssize_t start = colon + 1;
        while (is_blank(data[start])) {
            start++;
        }
        Py_ssize_t end = asteri_scan(data, start, size, ASTERI_VALUE), next = end + 2;
        while (end > start && is_blank(data[end - 1])) {
            end--;
        }
        asteri_slice name = {data + at, colon - at}, value = {data + start, end - start};
        if (append_trailer(trailers, name, value) < 0) {
            return -1;
        }
        at = next;
    }
    return 0;
}

/* The number of bytes taken, -1: RemoteProtocolError, MemoryError. */
static Py_ssize_t
read_trailers(const h1_state *state, h1_chunked *decoder, const char *data, Py_ssize_t size, PyObject *trailers)
{
    Py_ssize_t end = h1_scanner_scan(state, &decoder->scanner, decoder->limits, data, size);
    if (end < 0) {
        return -1;
    }
    Py_ssize_t taken = end > 0 ? end : size;
    if (end == 0 || decoder->block != NULL) {
        /* The scanner's limits bound it, and so the number of times. */
        char *block = PyMem_Realloc(decoder->block, (size_t)(decoder->block_size + taken));
        if (block == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        memcpy(block + decoder->block_size, data, (size_t)taken);
        decoder->block = block;
        decoder->block_size += taken;
    }
    if (end > 0) {
        int whole = decoder->block == NULL;
        if (append_trailers(trailers, whole ? data : decoder->block, (whole ? end : decoder->block_size) - 2) < 0) {
            return -1;
        }
        decoder->state = DONE;
    }
    return taken;
}

/* -- the content --------------------------------------------------------------------------------------------------- */

/* Appends data to `*content`, which is NULL or bytes with room for `most` bytes of which `*length` are there. 0; -1:
 * MemoryError. */
static int
append(PyObject **content, Py_ssize_t *length, Py_ssize_t most, const char *data, Py_ssize_t size)
{
    if (*content == NULL) {
        *content = PyBytes_FromStringAndSize(NULL, most);
        if (*content == NULL) {
            return -1;
        }
    }
    memcpy(PyBytes_AS_STRING(*content) + *length, data, (size_t)size);
    *length += size;
    return 0;
}

int
h1_chunked_decode(h1_state *state, h1_chunked *decoder, const char *data, Py_ssize_t size, PyObject **content,
                  Py_ssize_t *used, PyObject *trailers)
{
    Py_ssize_t at = 0, length = 0, room = 0;
    *content = NULL;
    while (at < size && decoder->state != DONE) {
        Py_ssize_t left = size - at, taken = 1;
        if (decoder->state == DATA) {
            taken = decoder->left < (uint64_t)left ? (Py_ssize_t)decoder->left : left;
            if (*content == NULL) {
                /* At least five bytes that are not content stand before the next piece of it. */
                room = left - taken > 5 ? left - 5 : taken;
            }
            if (append(content, &length, room, data + at, taken) < 0) {
                goto failed;
            }
            decoder->left -= (uint64_t)taken;
            if (decoder->left == 0) {
                decoder->state = DATA_END;
            }
        }
        else if (decoder->state == DATA_END || decoder->state == DATA_LF) {
            taken = read_data_end(state, decoder, data[at]) < 0 ? -1 : 1;
        }
        else if (decoder->state == TRAILERS) {
            taken = read_trailers(state, decoder, data + at, left, trailers);
        }
        else {
            taken = read_size(state, decoder, data + at, left);
        }
        if (taken < 0) {
            goto failed;
        }
        at += taken;
    }
    if (*content != NULL && length < room && _PyBytes_Resize(content, length) < 0) {
        return -1;
    }
    *used = at;
    return decoder->state == DONE;

failed:
    Py_CLEAR(*content);
    return -1;
}

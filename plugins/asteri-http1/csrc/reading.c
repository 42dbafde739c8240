/* Reads a whole head in one pass over a copy of it, which becomes the head's: lines and names are told apart, names
 * lowered, values cut out. What the head says is judged after that, because a byte that breaks the grammar anywhere in
 * the head comes before it. Twin: `read_head` and the regular expressions in `asteri_http1.parser`. */
#include "asteri/scan.h"
#include "asteri_http/fields.h"
#include "asteri_http/framing.h"
#include "asteri_http/target.h"
#include "head.h"
#include "names.h"

#define LONGEST_METHOD 32

/* A head in the making. */
typedef struct {
    h1_head *head;
    char *data;        /* the copy: `size` bytes, and ASTERI_SCAN_PAD zeros, which no class of bytes has */
    Py_ssize_t size;
    asteri_field *fields;
    unsigned char *numbers;
    Py_ssize_t room;   /* for fields */
    /* What fields say to the protocol: how many have come of each, and the value of the first. */
    int came[H1_SPEAKING];
    asteri_slice said[H1_SPEAKING];
    h1_speech repeated; /* the first that came again though it may come once, or H1_SILENT */
} reading;

/* Room for a head, its copy and its fields in one piece. 0; -1: MemoryError. */
static int
make_head(reading *r, const char *raw, Py_ssize_t lines, int kept)
{
    Py_ssize_t size = r->size;
    Py_ssize_t room = lines > 2 ? lines - 2 : 0; /* without the request line and the empty one */
    size_t total = sizeof(h1_head) + (size_t)room * (sizeof(asteri_field) + 1) + (size_t)size + ASTERI_SCAN_PAD
                   + (kept ? (size_t)size : 0);
    h1_head *head = PyMem_Malloc(total);
    if (head == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *head = (h1_head){.references = 1, .raw_size = size};
    r->head = head;
    r->fields = (asteri_field *)(head + 1);
    r->room = room;
    r->data = (char *)(r->fields + room);
    r->numbers = (unsigned char *)r->data + size + ASTERI_SCAN_PAD;
    memcpy(r->data, raw, (size_t)size);
    memset(r->data + size, 0, ASTERI_SCAN_PAD);
    if (kept) {
        char *copy = (char *)r->numbers + room;
        memcpy(copy, raw, (size_t)size);
        head->raw = copy;
    }
    head->request.fields = r->fields;
    head->request.memo = ASTERI_GIL ? &head->memo : NULL;
    head->numbers = r->numbers;
    return 0;
}

/* The index behind the request line, 0 when it is none. The version is one of two digits. */
static Py_ssize_t
read_line(reading *r)
{
    asteri_request *request = &r->head->request;
    const char *data = r->data;
    Py_ssize_t bound = r->size + ASTERI_SCAN_PAD;
    Py_ssize_t space = asteri_scan(data, 0, bound, ASTERI_TOKEN);
    if (space == 0 || data[space] != ' ') {
        return 0;
    }
    Py_ssize_t start = space + 1;
    Py_ssize_t end = asteri_scan(data, start, bound, ASTERI_VISIBLE);
    if (end == start || memcmp(data + end, " HTTP/", 6) != 0) {
        return 0;
    }
    const char *version = data + end + 6;
    unsigned major = (unsigned char)version[0] - (unsigned)'0', minor = (unsigned char)version[2] - (unsigned)'0';
    if (major > 9 || version[1] != '.' || minor > 9 || version[3] != '\r' || version[4] != '\n') {
        return 0;
    }
    request->method = (asteri_slice){data, space};
    request->target = (asteri_slice){data + start, end - start};
    request->version = (int)(major * 10 + minor);
    return end + 11;
}

/* In place; of token characters, which have seven bits. Eight at once, by carries into the highest bit of each. */
static inline void
lower(char *name, Py_ssize_t size)
{
    const uint64_t ones = 0x0101010101010101u;
    for (Py_ssize_t at = 0; at < size;) {
        if (size - at < 8) {
            if (size < 8) {
                for (; at < size; at++) {
                    name[at] |= (char)((unsigned)name[at] - 'A' < 26u ? 0x20 : 0);
                }
                return;
            }
            at = size - 8; /* some of them again */
        }
        uint64_t word;
        memcpy(&word, name + at, 8);
        uint64_t from_a = word + ones * (0x80 - 'A');
        uint64_t behind_z = word + ones * (0x80 - 'Z' - 1);
        word |= (from_a & ~behind_z & (ones * 0x80)) >> 2;
        memcpy(name + at, &word, 8);
        at += 8;
    }
}

static inline int
is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static inline void
listen(reading *r, h1_speech speech, asteri_slice value)
{
    if (r->came[speech]++ == 0) {
        r->said[speech] = value;
    }
    else if (speech >= H1_SINGLE && r->repeated == H1_SILENT) {
        r->repeated = speech;
    }
}

/* The field lines and the empty line from `at` on. Whether they keep the grammar. */
static int
read_fields(reading *r, Py_ssize_t at)
{
    char *data = r->data;
    Py_ssize_t bound = r->size + ASTERI_SCAN_PAD, count = 0, lines = 0;
    while (data[at] != '\r') {
        Py_ssize_t colon = asteri_scan(data, at, bound, ASTERI_TOKEN);
        if (colon == at || data[colon] != ':' || lines == r->room) {
            return 0;
        }
        Py_ssize_t start = colon + 1;
        while (is_blank(data[start])) {
            start++;
        }
        Py_ssize_t end = asteri_scan(data, start, bound, ASTERI_VALUE), next = end + 2;
        if (data[end] != '\r' || data[end + 1] != '\n') {
            return 0;
        }
        while (end > start && is_blank(data[end - 1])) {
            end--;
        }
        asteri_slice name = {data + at, colon - at}, value = {data + start, end - start};
        lower(data + at, name.size);
        unsigned char number = h1_name_number(name.data, name.size);
        lines++;
        at = next;
        if (number == H1_UNUSUAL) {
            if (!http_keeps_field(name)) {
                continue;
            }
        }
        else if (h1_names[number].speech != H1_SILENT) {
            listen(r, h1_names[number].speech, value);
        }
        r->fields[count] = (asteri_field){name, value};
        r->numbers[count++] = number;
    }
    r->head->request.count = count;
    return at + 2 == r->size; /* with LF, as every head that has an end */
}

/* The value of a field that came more than once: its values with commas between them. Owned; NULL: MemoryError. */
static char *
join(const reading *r, h1_speech speech, Py_ssize_t *size)
{
    char *joined = PyMem_Malloc((size_t)r->size); /* each comma stands for a name */
    if (joined == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    Py_ssize_t at = 0;
    int left = r->came[speech];
    for (Py_ssize_t index = 0; left > 0; index++) {
        unsigned char number = r->numbers[index];
        if (number != H1_UNUSUAL && h1_names[number].speech == speech) {
            asteri_slice value = r->fields[index].value;
            memcpy(joined + at, value.data, (size_t)value.size);
            at += value.size;
            left--;
            if (left > 0) {
                joined[at++] = ',';
            }
        }
    }
    *size = at;
    return joined;
}

/* Whether one of the fields of this name, each a list, has this member. */
static int
has_option(const reading *r, h1_speech speech, const char *member)
{
    if (r->came[speech] <= 1) {
        return r->came[speech] == 1 && http_has_option(r->said[speech], member);
    }
    for (Py_ssize_t index = 0; index < r->head->request.count; index++) {
        unsigned char number = r->numbers[index];
        if (number != H1_UNUSUAL && h1_names[number].speech == speech
            && http_has_option(r->fields[index].value, member)) {
            return 1;
        }
    }
    return 0;
}

static int
read_framing(const http_errors *errors, reading *r)
{
    h1_head *head = r->head;
    asteri_request *request = &head->request;
    request->content_length = -1;
    if (r->came[H1_TRANSFER_ENCODING]) {
        if (r->came[H1_CONTENT_LENGTH]) {
            return http_refuse(errors, 400, "both Content-Length and Transfer-Encoding");
        }
        head->chunked = request->has_body = 1;
        return http_check_transfer_encoding(errors, r->said[H1_TRANSFER_ENCODING], request->version);
    }
    if (!r->came[H1_CONTENT_LENGTH]) {
        return 0;
    }
    if (http_read_content_length(errors, r->said[H1_CONTENT_LENGTH], &request->content_length) < 0) {
        return -1;
    }
    request->has_body = request->content_length > 0;
    return 0;
}

static int
read_expectation(const http_errors *errors, reading *r)
{
    asteri_slice value = r->said[H1_EXPECT];
    char *joined = NULL;
    if (r->came[H1_EXPECT] == 1 && http_equals(value, "100-continue")) {
        r->head->request.expects_continue = r->head->request.has_body;
        return 0;
    }
    if (r->came[H1_EXPECT] > 1) {
        joined = join(r, H1_EXPECT, &value.size);
        if (joined == NULL) {
            return -1;
        }
        value.data = joined;
    }
    http_refuse_bytes(errors, 417, "expected 100-continue as Expect, found %R", value, 64);
    PyMem_Free(joined);
    return -1;
}

/* What the Upgrade fields say. 0; -1: MemoryError. */
static int
read_upgrade(reading *r)
{
    h1_head *head = r->head;
    head->request.protocol = r->said[H1_UPGRADE];
    if (r->came[H1_UPGRADE] > 1) {
        head->joined = join(r, H1_UPGRADE, &head->request.protocol.size);
        if (head->joined == NULL) {
            return -1;
        }
        head->request.protocol.data = head->joined;
    }
    return 0;
}

/* Whether HTTP allows what the head says; in the order of the Python twin. 0, -1. */
static int
understand(const http_errors *errors, reading *r)
{
    h1_head *head = r->head;
    asteri_request *request = &head->request;
    int version = request->version;
    if (version != 11 && version != 10) {
        return http_refuse(errors, 505, "HTTP/%d.%d is not supported here, expected HTTP/1.1", version / 10,
                           version % 10);
    }
    if (request->method.size > LONGEST_METHOD) {
        return http_refuse(errors, 501, "a method of more than %d bytes", LONGEST_METHOD);
    }
    http_target target;
    if (http_read_target(errors, request->method, request->target, &target) < 0) {
        return -1;
    }
    request->raw_path = target.raw_path;
    request->query = target.query;
    request->authority = target.authority;
    if (r->repeated != H1_SILENT) {
        static const char *const names[] = {"host", "content-length", "transfer-encoding", "content-type"};
        return http_refuse(errors, 400, "a second %s field", names[r->repeated - H1_SINGLE]);
    }
    if (!r->came[H1_HOST] && version == 11) {
        return http_refuse(errors, 400, "an HTTP/1.1 request needs a Host field"); /* RFC 9112 section 3.2 */
    }
    if (http_check_host(errors, &request->authority, r->came[H1_HOST] ? &r->said[H1_HOST] : NULL) < 0
        || read_framing(errors, r) < 0) {
        return -1;
    }
    head->persistent =
        !has_option(r, H1_CONNECTION, "close") && (version == 11 || has_option(r, H1_CONNECTION, "keep-alive"));
    head->request.protocol = (asteri_slice){"", 0};
    if (version == 11) {
        if (r->came[H1_EXPECT] && read_expectation(errors, r) < 0) {
            return -1;
        }
        if (r->came[H1_UPGRADE] && has_option(r, H1_CONNECTION, "upgrade") && read_upgrade(r) < 0) {
            return -1;
        }
    }
    head->takes_trailers = has_option(r, H1_TE, "trailers");
    head->forwarded = r->came[H1_FORWARDED] > 0;
    if (request->method.size == 7 && memcmp(request->method.data, "CONNECT", 7) == 0) {
        return http_refuse(errors, 501, "CONNECT asks for a proxy, which this server is not");
    }
    return 0;
}

int
h1_head_read(h1_state *state, const char *raw, Py_ssize_t size, Py_ssize_t lines, int kept, h1_head **head)
{
    reading r = {.size = size};
    if (make_head(&r, raw, lines, kept) < 0) {
        return -1;
    }
    int outcome = 0;
    Py_ssize_t at = read_line(&r);
    if (at > 0 && read_fields(&r, at)) {
        outcome = understand(&state->errors, &r) < 0 ? -1 : 1;
    }
    if (outcome == 1) {
        *head = r.head;
    }
    else {
        h1_head_release(r.head);
    }
    return outcome;
}

/* The grammar of a request head and of a trailer section, byte by byte; see `asteri_http1.grammar` for its rules. What
 * names, values, target and version mean is not its affair. */
#include "scanner.h"

#include <assert.h>

/* In the order of `asteri_http1.grammar`: the states in which there is something to do come last. */
enum {
    START = H1_AT_START,
    START_LF,
    LINE,
    METHOD,
    GAP, /* TARGET_START */
    TARGET,
    VERSION, /* and one for each of the bytes of HTTP/1.1 */
    VERSION_END = VERSION + 8,
    LINE_LF,
    NAME,
    VALUE,
    VALUE_LF,
    END_LF,
    FIELD,
    DONE,
    FIRST_ERROR,
};
static_assert((int)LINE == H1_AT_LINE && (int)FIELD == H1_AT_FIELD && (int)DONE == H1_AT_END, "as scanner.h says");

enum {
    E_START = FIRST_ERROR,
    E_LF,
    E_CR,
    E_METHOD,
    E_SHORT,
    E_GAP,
    E_TARGET,
    E_VERSION,
    E_END,
    E_NAME,
    E_FOLD,
    E_EMPTY,
    E_BLANK,
    E_COLON,
    E_VALUE,
};

static const char *const errors[] = {
    [E_START - FIRST_ERROR] = "a request starts with a method",
    [E_LF - FIRST_ERROR] = "bare LF",
    [E_CR - FIRST_ERROR] = "bare CR",
    [E_METHOD - FIRST_ERROR] = "invalid byte in the method",
    [E_SHORT - FIRST_ERROR] = "the request line ends before its version",
    [E_GAP - FIRST_ERROR] = "expected a target after one space",
    [E_TARGET - FIRST_ERROR] = "invalid byte in the target",
    [E_VERSION - FIRST_ERROR] = "expected HTTP/ and a version after the target",
    [E_END - FIRST_ERROR] = "expected CRLF after the version",
    [E_NAME - FIRST_ERROR] = "invalid byte in a field name",
    [E_FOLD - FIRST_ERROR] = "folded line, or white space before a field name",
    [E_EMPTY - FIRST_ERROR] = "empty field name",
    [E_BLANK - FIRST_ERROR] = "white space between field name and colon",
    [E_COLON - FIRST_ERROR] = "a field without a colon",
    [E_VALUE - FIRST_ERROR] = "control byte in a field value",
};

/* The kinds of bytes that some state tells apart: control bytes, CR, LF, tab, space, colon, token characters, other
 * visible bytes, 0x80 and above. */
enum { CTL, CR, LF, TAB, SP, COL, TOK, VIS, OBS, KINDS };

static const unsigned char kinds[256] = {
    CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, TAB, LF,  CTL, CTL, CR,  CTL, CTL,
    CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL,
    SP,  TOK, VIS, TOK, TOK, TOK, TOK, TOK, VIS, VIS, TOK, TOK, VIS, TOK, TOK, VIS,
    TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, COL, VIS, VIS, VIS, VIS, VIS,
    VIS, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK,
    TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, VIS, VIS, VIS, TOK, TOK,
    TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK,
    TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, TOK, VIS, TOK, VIS, TOK, CTL,
    OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS,
    OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS,
    OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS,
    OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS,
    OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS,
    OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS,
    OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS,
    OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS,
};

/* The next state for each kind of byte. The version is not in it: see `step_of_version`. */
static const unsigned char rows[DONE][KINDS] = {
    /*               CTL       CR        LF       TAB       SP        COL       TOK       VIS       OBS    */
    [START] =       {E_START,  START_LF, E_LF,    E_START,  E_START,  E_START,  METHOD,   E_START,  E_START},
    [START_LF] =    {E_CR,     E_CR,     LINE,    E_CR,     E_CR,     E_CR,     E_CR,     E_CR,     E_CR},
    [LINE] =        {E_START,  E_START,  E_LF,    E_START,  E_START,  E_START,  METHOD,   E_START,  E_START},
    [METHOD] =      {E_METHOD, E_SHORT,  E_LF,    E_METHOD, GAP,      E_METHOD, METHOD,   E_METHOD, E_METHOD},
    [GAP] =         {E_GAP,    E_SHORT,  E_LF,    E_GAP,    E_GAP,    TARGET,   TARGET,   TARGET,   E_GAP},
    [TARGET] =      {E_TARGET, E_SHORT,  E_LF,    E_TARGET, VERSION,  TARGET,   TARGET,   TARGET,   E_TARGET},
    [VERSION_END] = {E_END,    LINE_LF,  E_LF,    E_END,    E_END,    E_END,    E_END,    E_END,    E_END},
    [LINE_LF] =     {E_CR,     E_CR,     FIELD,   E_CR,     E_CR,     E_CR,     E_CR,     E_CR,     E_CR},
    [NAME] =        {E_NAME,   E_COLON,  E_LF,    E_BLANK,  E_BLANK,  VALUE,    NAME,     E_NAME,   E_NAME},
    [VALUE] =       {E_VALUE,  VALUE_LF, E_LF,    VALUE,    VALUE,    VALUE,    VALUE,    VALUE,    VALUE},
    [VALUE_LF] =    {E_CR,     E_CR,     FIELD,   E_CR,     E_CR,     E_CR,     E_CR,     E_CR,     E_CR},
    [END_LF] =      {E_CR,     E_CR,     DONE,    E_CR,     E_CR,     E_CR,     E_CR,     E_CR,     E_CR},
    [FIELD] =       {E_NAME,   END_LF,   E_LF,    E_FOLD,   E_FOLD,   E_EMPTY,  NAME,     E_NAME,   E_NAME},
};

static unsigned
step_of_version(unsigned state, unsigned char byte)
{
    char expected = "HTTP/0.0"[state - VERSION];
    if (expected == '0' ? byte >= '0' && byte <= '9' : byte == (unsigned char)expected) {
        return state + 1;
    }
    return byte == '\n' ? E_LF : E_VERSION;
}

static inline Py_ssize_t
least(Py_ssize_t one, Py_ssize_t other)
{
    return one < other ? one : other;
}

void
h1_scanner_init(h1_scanner *scanner, const h1_limits *limits, unsigned char state)
{
    int head = state == START;
    Py_ssize_t line = head ? limits->limit_request_line : limits->limit_request_field_size;
    *scanner = (h1_scanner){
        .ceiling = least(line + 2, limits->limit_request_head),
        .fields = head ? -1 : 0,
        .state = state,
        .first_line = (unsigned char)head,
    };
}

static int
check_ceiling(const h1_state *state, const h1_scanner *scanner, const h1_limits *limits, Py_ssize_t position)
{
    if (position <= scanner->ceiling) {
        return 0;
    }
    if (scanner->ceiling == limits->limit_request_head) {
        return http_refuse(&state->errors, 431, "more than %zd bytes of fields", limits->limit_request_head);
    }
    if (scanner->first_line) {
        return http_refuse(&state->errors, 414, "a request line of more than %zd bytes", limits->limit_request_line);
    }
    return http_refuse(&state->errors, 431, "a field of more than %zd bytes", limits->limit_request_field_size);
}

static int
next_line(const h1_state *state, h1_scanner *scanner, const h1_limits *limits, Py_ssize_t position)
{
    scanner->first_line = 0;
    scanner->fields++;
    if (scanner->fields > limits->limit_request_fields) {
        return http_refuse(&state->errors, 431, "more than %zd fields", limits->limit_request_fields);
    }
    scanner->ceiling = least(position + limits->limit_request_field_size + 2, limits->limit_request_head);
    return 0;
}

Py_ssize_t
h1_scanner_scan(const h1_state *state, h1_scanner *scanner, const h1_limits *limits, const char *data,
                Py_ssize_t size)
{
    unsigned now = scanner->state;
    Py_ssize_t offset = scanner->position;
    for (Py_ssize_t index = 0; index < size; index++) {
        unsigned char byte = (unsigned char)data[index];
        now = now - VERSION < 8u ? step_of_version(now, byte) : rows[now][kinds[byte]];
        if (now < FIELD) {
            continue;
        }
        Py_ssize_t position = index + offset;
        if (now >= FIRST_ERROR) {
            if (check_ceiling(state, scanner, limits, position) < 0) {
                return -1;
            }
            PyObject *found = PyBytes_FromStringAndSize(data + index, 1);
            if (found != NULL) {
                http_refuse(&state->errors, 400, "%s, found %R", errors[now - FIRST_ERROR], found);
                Py_DECREF(found);
            }
            return -1;
        }
        if (check_ceiling(state, scanner, limits, position + 1) < 0) {
            return -1;
        }
        if (now == DONE) {
            scanner->position = position + 1;
            scanner->state = DONE;
            return index + 1;
        }
        if (next_line(state, scanner, limits, position + 1) < 0) {
            return -1;
        }
    }
    scanner->state = (unsigned char)now;
    scanner->position = size + offset;
    return check_ceiling(state, scanner, limits, scanner->position);
}

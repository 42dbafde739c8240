/* Field names and methods as clients usually spell them: each has one text and one Python object. */
#ifndef H1_NAMES_H
#define H1_NAMES_H

#include "asteri/slice.h"

/* What a field says to the protocol; H1_SINGLE and above: may come once (`asteri_http.fields.REQUEST_SINGLE`). */
typedef enum {
    H1_SILENT = 0,
    H1_CONNECTION,
    H1_EXPECT,
    H1_FORWARDED, /* in each of its fields a proxy may say who its client is */
    H1_TE,
    H1_UPGRADE,
    H1_HOST,
    H1_CONTENT_LENGTH,
    H1_TRANSFER_ENCODING,
    H1_CONTENT_TYPE,
    H1_SPEAKING, /* how many these are */
    H1_SINGLE = H1_HOST,
} h1_speech;

typedef struct {
    unsigned char size;
    unsigned char speech; /* h1_speech */
    char text[31];        /* in lower case */
} h1_name;

#define H1_NAMES 59
#define H1_UNUSUAL 255
extern const h1_name h1_names[H1_NAMES];

/* The number of a name in lower case among h1_names, or H1_UNUSUAL. */
unsigned char h1_name_number(const char *lower, Py_ssize_t size);

#define H1_METHODS 9
extern const char *const h1_methods[H1_METHODS];

/* The number of a method among h1_methods, or -1. */
int h1_method_number(asteri_slice method);

#endif

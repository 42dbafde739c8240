/* The Date field (RFC 9110 section 6.6.1), the twin of `asteri_http.date`: made once a second. */
#ifndef ASTERI_HTTP_DATE_H
#define ASTERI_HTTP_DATE_H

#include "asteri/clock.h"

#include <stdint.h>

#define HTTP_DATE_SIZE 29

typedef struct {
    PyObject *wall; /* owned by whoever has this: gives seconds since 1970; NULL where no date is sent */
    const asteri_clock_v1 *clock; /* how `wall` is read without a call of Python; NULL: it is called */
    int64_t second;
    int made; /* 0: `value` is not a date yet */
    char value[HTTP_DATE_SIZE];
} http_date;

/* `wall` is borrowed, and NULL where no date is to be sent. `date` is all zero. */
void http_date_begin(http_date *date, PyObject *wall);
/* Asks the clock. 1: `value` is another one than before; 0: it is still right; -1: what the clock raised, or ValueError
 * for a time outside of the years 1 to 9999. */
int http_date_refresh(http_date *date);

#endif

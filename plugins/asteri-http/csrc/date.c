/* The Date field in IMF-fixdate form (RFC 9110 section 5.6.7), without a locale. No clock is read here: only the one
 * that was handed over is asked. */
#include "asteri_http/date.h"

#include <string.h>

#define DAY 86400
#define DAYS_TO_1970 719468 /* from 1 March of the year 0, where the count of days in a leap year is regular */

static const char WEEKDAYS[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"}; /* 1 January 1970 and on */
static const char MONTHS[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static void
put_digits(char *place, int value, int count)
{
    while (count > 0) {
        place[--count] = (char)('0' + value % 10);
        value /= 10;
    }
}

static int
write_date(int64_t second, char value[HTTP_DATE_SIZE])
{
    int64_t days = second / DAY;
    int rest = (int)(second % DAY);
    if (rest < 0) {
        rest += DAY;
        days--;
    }
    int weekday = (int)(days % 7);
    int64_t shifted = days + DAYS_TO_1970;
    if (shifted < 306 || shifted > 3652364) { /* 0001-01-01 to 9999-12-31: what Python's dates can say */
        PyErr_SetString(PyExc_ValueError, "the wall clock is outside of the years 1 to 9999");
        return -1;
    }
    /* Years here begin in March, so that the leap day is the last one: 400 years are 146097 days. */
    int era = (int)(shifted / 146097);
    int day = (int)(shifted % 146097);
    int year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    int month = (5 * day + 2) / 153;
    day -= (153 * month + 2) / 5;
    year += 400 * era + (month >= 10);
    month = month < 10 ? month + 2 : month - 10;
    memcpy(value, "Xxx, 00 Xxx 0000 00:00:00 GMT", HTTP_DATE_SIZE);
    memcpy(value, WEEKDAYS[weekday < 0 ? weekday + 7 : weekday], 3);
    put_digits(value + 5, day + 1, 2);
    memcpy(value + 8, MONTHS[month], 3);
    put_digits(value + 12, year, 4);
    put_digits(value + 17, rest / 3600, 2);
    put_digits(value + 20, rest / 60 % 60, 2);
    put_digits(value + 23, rest % 60, 2);
    return 0;
}

void
http_date_begin(http_date *date, PyObject *wall)
{
    date->wall = Py_XNewRef(wall);
    date->clock = wall == NULL ? NULL : asteri_clock_of(Py_TYPE(wall));
}

/* Whole seconds, cut towards zero as Python's int() does. -1 with an exception, or a time before 1970. */
static int64_t
read_wall(const http_date *date)
{
    double seconds;
    if (date->clock != NULL) {
        seconds = date->clock->read(date->wall);
    }
    else {
        PyObject *now = PyObject_CallNoArgs(date->wall);
        if (now == NULL) {
            return -1;
        }
        seconds = PyFloat_AsDouble(now);
        Py_DECREF(now);
        if (seconds == -1.0 && PyErr_Occurred()) {
            return -1;
        }
    }
    if (!(seconds > -1e15 && seconds < 1e15)) {
        PyErr_SetString(PyExc_ValueError, "the wall clock is outside of the years 1 to 9999");
        return -1;
    }
    return (int64_t)seconds;
}

int
http_date_refresh(http_date *date)
{
    int64_t second = read_wall(date);
    if (second == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (date->made && second == date->second) {
        return 0;
    }
    if (write_date(second, date->value) < 0) {
        return -1;
    }
    date->second = second;
    date->made = 1;
    return 1;
}

/* A clock that C can read without a call of Python: the contract "asteri.clock.v1".
 *
 * Such a clock is a Python object: called without arguments it gives a float. Its type has the attribute
 * ASTERI_CLOCK_ATTRIBUTE, a capsule of the name ASTERI_CLOCK_CAPSULE around a `struct asteri_clock_v1`. Who is handed a
 * clock asks it by that where it is there, and calls it where it is not; so a protocol needs no clock of its own.
 */
#ifndef ASTERI_CLOCK_H
#define ASTERI_CLOCK_H

#include "contract.h"

#define ASTERI_CLOCK_CAPSULE "asteri.clock.v1"
#define ASTERI_CLOCK_ATTRIBUTE "__asteri_clock__"

typedef struct asteri_clock_v1 {
    Py_ssize_t size; /* sizeof(struct asteri_clock_v1) of whoever filled it in: later members may be missing */

    /* What calling the object gives: seconds. Cannot fail. */
    double (*read)(PyObject *self);
} asteri_clock_v1;

/* The functions of a type's clocks, NULL (no exception) when the type has none of this contract.
 * Borrowed from the type. */
static inline const asteri_clock_v1 *
asteri_clock_of(PyTypeObject *type)
{
    return (const asteri_clock_v1 *)asteri_contract_of(type, ASTERI_CLOCK_ATTRIBUTE, ASTERI_CLOCK_CAPSULE);
}

#endif

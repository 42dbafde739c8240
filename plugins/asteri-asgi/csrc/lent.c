/* Scopes and containers: how they are dropped, and how they come back. See lent.h. */
#include "lent.h"

#include "pool.h"
#include "scope.h"

#include <string.h>

/* -- the containers ------------------------------------------------------------------------------------------------ */

void
asgi_containers_drop(asgi_containers *containers)
{
    for (int index = 0; index < ASGI_EXTENSIONS; index++) {
        Py_CLEAR(containers->each[index]);
    }
    Py_CLEAR(containers->extensions);
    Py_CLEAR(containers->asgi);
}

int
asgi_containers_visit(asgi_containers *containers, visitproc visit, void *arg)
{
    for (int index = 0; index < ASGI_EXTENSIONS; index++) {
        Py_VISIT(containers->each[index]);
    }
    Py_VISIT(containers->extensions);
    Py_VISIT(containers->asgi);
    return 0;
}

/* Makes containers. 0; -1, and there are none. */
static int
make_containers(const asgi_scopes *scopes, asgi_containers *containers)
{
    containers->asgi = PyDict_Copy(scopes->asgi);
    containers->extensions = PyDict_Copy(scopes->extensions);
    if (containers->asgi == NULL || containers->extensions == NULL) {
        goto failed;
    }
    for (int index = 0; index < scopes->count; index++) {
        containers->each[index] = PyDict_New();
        if (containers->each[index] == NULL ||
            PyDict_SetItem(containers->extensions, scopes->offered[index], containers->each[index]) < 0) {
            goto failed;
        }
    }
    return 0;

failed:
    asgi_containers_drop(containers);
    return -1;
}

int
asgi_scopes_take_containers(asgi_scopes *scopes, asgi_containers *containers)
{
    if (scopes->spares == 0) {
        return make_containers(scopes, containers);
    }
    *containers = scopes->spare[--scopes->spares];
    return 0;
}

/* -- a scope that is lent ------------------------------------------------------------------------------------------ */

asgi_lent *
asgi_lent_new(PyObject *capsule, asgi_kept *kept)
{
    asgi_lent *lent = PyMem_Calloc(1, sizeof *lent);
    if (lent == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    lent->capsule = Py_NewRef(capsule);
    lent->kept = kept;
    return lent;
}

/* Releases all that refers to the containers but `containers`. */
static void
drop_scope(asgi_lent *lent)
{
    Py_CLEAR(lent->scope);
    for (int index = 0; index < ASGI_KEYS; index++) {
        Py_CLEAR(lent->values[index]);
    }
}

void
asgi_lent_drop(asgi_lent *lent)
{
    drop_scope(lent);
    asgi_containers_drop(&lent->containers);
    Py_XDECREF(lent->peer);
    Py_XDECREF(lent->capsule);
    PyMem_Free(lent);
}

int
asgi_lent_visit(asgi_lent *lent, visitproc visit, void *arg)
{
    Py_VISIT(lent->scope);
    Py_VISIT(lent->peer);
    for (int index = 0; index < ASGI_KEYS; index++) {
        Py_VISIT(lent->values[index]);
    }
    return asgi_containers_visit(&lent->containers, visit, arg);
}

void
asgi_lent_remember(asgi_lent *lent)
{
    Py_ssize_t position = 0;
    PyObject *value;
    for (int index = 0; index < ASGI_KEYS && PyDict_Next(lent->scope, &position, NULL, &value); index++) {
        Py_XSETREF(lent->values[index], Py_NewRef(value));
    }
}

/* -- coming back --------------------------------------------------------------------------------------------------- */

/* Whether a dictionary has these keys, in this order, with these values, and no more. */
static int
has_only(PyObject *dict, PyObject *const *keys, PyObject *const *values, int count)
{
    Py_ssize_t position = 0;
    PyObject *key, *value;
    if (PyDict_GET_SIZE(dict) != count) {
        return 0;
    }
    for (int index = 0; index < count; index++) {
        if (!PyDict_Next(dict, &position, &key, &value) || key != keys[index] || value != values[index]) {
            return 0;
        }
    }
    return 1;
}

/* Whether two lists have the same items. */
static int
are_same(PyObject *list, PyObject *other)
{
    Py_ssize_t count = PyList_GET_SIZE(list);
    if (count != PyList_GET_SIZE(other)) {
        return 0;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        if (PyList_GET_ITEM(list, index) != PyList_GET_ITEM(other, index)) {
            return 0;
        }
    }
    return 1;
}

/* Whether the references that we know of, `known` to the outer two, are the only ones. A build without the GIL cannot
 * tell, and says no. */
static int
are_alone(const asgi_scopes *scopes, const asgi_containers *containers, Py_ssize_t known)
{
    if (!ASGI_POOLED || !asteri_is_alone(containers->asgi, known) || !asteri_is_alone(containers->extensions, known)) {
        return 0;
    }
    for (int index = 0; index < scopes->count; index++) {
        if (!asteri_is_alone(containers->each[index], 2)) {
            return 0;
        }
    }
    return 1;
}

/* Whether nothing is in the containers but what has been from the start. */
static int
are_untouched(const asgi_scopes *scopes, const asgi_containers *containers)
{
    for (int index = 0; index < scopes->count; index++) {
        if (PyDict_GET_SIZE(containers->each[index]) != 0) {
            return 0;
        }
    }
    return has_only(containers->extensions, scopes->offered, containers->each, scopes->count) &&
           has_only(containers->asgi, scopes->told[0], scopes->told[1], 2);
}

/* The same two of a whole scope, whatever is in its state. */
static int
is_alone(const asgi_scopes *scopes, const asgi_lent *lent)
{
    return asteri_is_alone(lent->scope, 1) && asteri_is_alone(lent->values[ASGI_HEADERS_KEY], 2) &&
           asteri_is_alone(lent->values[ASGI_STATE_KEY], 2) &&
           are_alone(scopes, &lent->containers, 3); /* here, in the values and in the scope */
}

static int
is_untouched(const asgi_scopes *scopes, const asgi_lent *lent)
{
    return has_only(lent->scope, scopes->keys, lent->values, ASGI_KEYS) &&
           are_same(lent->values[ASGI_HEADERS_KEY], lent->kept->headers) && are_untouched(scopes, &lent->containers);
}

/* Keeps a scope that is untouched for the next request of its head. 1; 0: there is no use for it. */
static int
keep(asgi_lent *lent)
{
    PyObject *state = lent->values[ASGI_STATE_KEY];
    if (PyDict_GET_SIZE(state) > 0) {
        PyDict_Clear(state); /* what is in it has nothing to live for any more; the next request's is set anew */
    }
    if (lent->kept->spare != NULL || asteri_is_alone(lent->capsule, 1)) {
        return 0;
    }
    PyObject *capsule = lent->capsule;
    lent->capsule = NULL;
    lent->kept->spare = lent;
    Py_DECREF(capsule);
    return 1;
}

asgi_lent *
asgi_scopes_take_spare(const asgi_scopes *scopes, PyObject *capsule, asgi_kept *kept)
{
    asgi_lent *lent = kept->spare;
    kept->spare = NULL;
    if (lent != NULL && !is_alone(scopes, lent)) {
        asgi_lent_drop(lent); /* somebody has it from the collector's list of objects */
        return NULL;
    }
    if (lent != NULL) {
        lent->capsule = Py_NewRef(capsule);
    }
    return lent;
}

void
asgi_scopes_take_back(asgi_scopes *scopes, asgi_lent *lent)
{
    if (is_alone(scopes, lent) && is_untouched(scopes, lent) && keep(lent)) {
        return;
    }
    drop_scope(lent);
    if (scopes->spares < ASGI_SPARE && are_alone(scopes, &lent->containers, 1) &&
        are_untouched(scopes, &lent->containers)) {
        scopes->spare[scopes->spares++] = lent->containers;
        memset(&lent->containers, 0, sizeof lent->containers);
    }
    asgi_lent_drop(lent);
}

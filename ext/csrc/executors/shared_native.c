/* The native side of a shared exchange: the contract "asteri.exchange.v1" passed on to the exchange's own functions,
 * each under the reactor's lock, with sending as in shared.c. What is said in exchange.h of borrowing holds unchanged:
 * what is borrowed is the exchange's, and the view keeps the exchange. */
#include "shared.h"

#include "raised.h"

#define VIEW(object) ((shared_exchange *)(object))

/* For functions that a detached view answers too, as attributes are. The lock cannot fail here but by a defect, which
 * leaves nothing that could be done better. */
static void
lock_facts(shared_exchange *self)
{
    if (link_lock(self->link) < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
}

static void
unlock_facts(shared_exchange *self)
{
    PyObject *error = raised_take();
    if (link_unlock(self->link) < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
    raised_give(error);
}

/* Looks whether the headers have been changed, and then reads them anew: one step with the GIL. */
static const asteri_request *
native_request(PyObject *self)
{
    if (ASTERI_GIL) {
        return VIEW(self)->functions->request(VIEW(self)->exchange);
    }
    lock_facts(VIEW(self));
    const asteri_request *request = VIEW(self)->functions->request(VIEW(self)->exchange);
    unlock_facts(VIEW(self));
    return request;
}

static PyObject *
native_fact(PyObject *self, asteri_fact which)
{
    lock_facts(VIEW(self));
    PyObject *fact = VIEW(self)->functions->fact(VIEW(self)->exchange, which);
    unlock_facts(VIEW(self));
    return fact;
}

static int
native_status(PyObject *self)
{
    lock_facts(VIEW(self));
    int status = VIEW(self)->functions->status(VIEW(self)->exchange);
    unlock_facts(VIEW(self));
    return status;
}

static int64_t
native_sent(PyObject *self)
{
    lock_facts(VIEW(self));
    int64_t sent = VIEW(self)->functions->sent(VIEW(self)->exchange);
    unlock_facts(VIEW(self));
    return sent;
}

static int64_t
native_buffered(PyObject *self)
{
    lock_facts(VIEW(self));
    int64_t buffered = VIEW(self)->functions->buffered(VIEW(self)->exchange);
    unlock_facts(VIEW(self));
    return buffered;
}

static int
native_set_body(PyObject *self, PyObject *body)
{
    lock_facts(VIEW(self));
    int failed = VIEW(self)->functions->set_body(VIEW(self)->exchange, body);
    unlock_facts(VIEW(self));
    return failed;
}

static int
native_read(PyObject *self, PyObject **data)
{
    if (shared_enter(VIEW(self)) < 0) {
        return -1;
    }
    int there = VIEW(self)->functions->read(VIEW(self)->exchange, data);
    int result = shared_leave(VIEW(self), there, there == 0 ? SEND_WHEN_DONE : SEND_NOTHING);
    if (result < 0 && there > 0) {
        Py_CLEAR(*data);
    }
    return result;
}

static int
native_respond(PyObject *self, int status, asteri_slice reason, const asteri_field *fields, Py_ssize_t count)
{
    if (shared_enter(VIEW(self)) < 0) {
        return -1;
    }
    int result = VIEW(self)->functions->respond(VIEW(self)->exchange, status, reason, fields, count);
    return shared_leave(VIEW(self), result, SEND_NOTHING);
}

static int
native_retract(PyObject *self)
{
    return shared_retract(VIEW(self));
}

static int
native_send(PyObject *self, PyObject *data, int end)
{
    if (shared_enter(VIEW(self)) < 0) {
        return -1;
    }
    return shared_leave(VIEW(self), VIEW(self)->functions->send(VIEW(self)->exchange, data, end), SEND_ANYWAY);
}

static int
native_finish(PyObject *self)
{
    if (shared_enter(VIEW(self)) < 0) {
        return -1;
    }
    return shared_leave(VIEW(self), VIEW(self)->functions->finish(VIEW(self)->exchange), SEND_ANYWAY);
}

static int
native_abort(PyObject *self)
{
    if (shared_lock(VIEW(self)) < 0) {
        return -1;
    }
    if (atomic_load(&VIEW(self)->detached)) {
        return shared_leave(VIEW(self), 0, SEND_NOTHING);
    }
    return shared_leave(VIEW(self), VIEW(self)->functions->abort(VIEW(self)->exchange), SEND_WHEN_DONE);
}

static const asteri_exchange_v1 native_functions = {
    .size = sizeof(asteri_exchange_v1),
    .request = native_request,
    .fact = native_fact,
    .read = native_read,
    .respond = native_respond,
    .retract = native_retract,
    .send = native_send,
    .finish = native_finish,
    .abort = native_abort,
    .status = native_status,
    .sent = native_sent,
    .buffered = native_buffered,
    .set_body = native_set_body,
};

int
shared_native_add(PyTypeObject *type)
{
    return asteri_add_contract(type, ASTERI_EXCHANGE_ATTRIBUTE, ASTERI_EXCHANGE_CAPSULE, &native_functions);
}

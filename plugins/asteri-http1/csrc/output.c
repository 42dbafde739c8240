/* See output.h. */
#include "output.h"

#include <string.h>

#include "asteri/threads.h"

void
h1_spare_buffers_clear(h1_spare_buffers *spare)
{
    while (spare->count > 0) {
        PyMem_Free(spare->buffers[--spare->count]);
    }
}

Py_ssize_t
h1_output_pieces(const h1_output *output)
{
    if (output->first == output->count) {
        return output->taken < output->size;
    }
    Py_ssize_t pieces = output->count - output->first;
    Py_ssize_t at = output->taken;
    for (Py_ssize_t index = output->first; index < output->count; index++) {
        pieces += output->large[index].at > at;
        at = output->large[index].at;
    }
    return pieces + (output->size > at);
}

int
h1_output_grow(h1_output *output, h1_spare_buffers *spare, Py_ssize_t more)
{
    if (output->data == NULL && more <= H1_BUFFER_SIZE) {
        output->data = spare->count > 0 ? spare->buffers[--spare->count] : PyMem_Malloc(H1_BUFFER_SIZE);
        if (output->data == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        output->capacity = H1_BUFFER_SIZE;
        return 0;
    }
    Py_ssize_t used = output->size + output->head;
    if (more > PY_SSIZE_T_MAX / 4 - used) {
        PyErr_NoMemory();
        return -1;
    }
    Py_ssize_t capacity = output->capacity < H1_BUFFER_SIZE ? H1_BUFFER_SIZE : output->capacity;
    while (capacity - used < more) {
        capacity *= 2;
    }
    char *data = PyMem_Realloc(output->data, (size_t)capacity);
    if (data == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    output->data = data;
    output->capacity = capacity;
    return 0;
}

int
h1_output_put(h1_output *output, h1_spare_buffers *spare, const char *data, Py_ssize_t size)
{
    if (h1_output_reserve(output, spare, size) < 0) {
        return -1;
    }
    char *place = output->data + output->size;
    if (output->head > 0) {
        memmove(place + size, place, (size_t)output->head);
    }
    memcpy(place, data, (size_t)size);
    output->size += size;
    output->queued += size;
    return 0;
}

int
h1_output_reserve_large(h1_output *output)
{
    h1_output_rewind(output);
    if (output->count == output->room) {
        Py_ssize_t room = output->room == 0 ? 4 : output->room * 2;
        h1_large *large = PyMem_Realloc(output->large, (size_t)room * sizeof(h1_large));
        if (large == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        output->large = large;
        output->room = room;
    }
    return 0;
}

void
h1_output_put_large(h1_output *output, const http_content *content)
{
    h1_large *last = &output->large[output->count++];
    *last = (h1_large){output->size, *content};
    Py_INCREF(last->content.owner);
    output->queued += content->size;
}

int
h1_output_take(h1_output *output, http_content *piece)
{
    Py_ssize_t end = output->first < output->count ? output->large[output->first].at : output->size;
    if (output->taken < end) {
        *piece = (http_content){NULL, output->data + output->taken, end - output->taken, 0};
        output->taken = end;
    }
    else if (output->first < output->count) {
        *piece = output->large[output->first++].content;
    }
    else {
        return 0;
    }
    return 1;
}

void
h1_output_clear(h1_output *output, h1_spare_buffers *spare)
{
    /* Empty first: what is let go of may run foreign code, and that may send. */
    h1_output gone = *output;
    memset(output, 0, sizeof(*output));
    if (ASTERI_GIL && gone.capacity == H1_BUFFER_SIZE && spare->count < H1_SPARE_BUFFERS) {
        spare->buffers[spare->count++] = gone.data;
    }
    else {
        PyMem_Free(gone.data);
    }
    while (gone.first < gone.count) {
        http_content_release(&gone.large[gone.first++].content);
    }
    PyMem_Free(gone.large);
}

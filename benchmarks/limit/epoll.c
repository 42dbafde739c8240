/*
 * The limit of a comparison: what a server on this machine cannot be leaner than, for it does no more than the kernel
 * makes everybody do. One epoll_wait, one recv, a search for the end of the request's head, and one send of an answer
 * that was made before. It is no HTTP server: it reads no method, no target, no body, and believes in well-behaved peers.
 *
 *     epoll PORT BYTES WORKERS [close]
 *
 * BYTES is the size of the content; with "close" every answer ends its connection. Sockets block: recv is called only
 * when there is something, and a send that waits would mean that the peer does not read what it has asked for.
 */
#define _GNU_SOURCE
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

enum { MOST_AT_ONCE = 64, EVENTS = 512, FDS = 1 << 20 };

static const char END[] = "\r\n\r\n";

/* MOST_AT_ONCE answers, one behind the other, so that pipelined requests are answered by one send as well. */
static char *make_answers(int content, int closing, size_t *length)
{
    char head[256];
    int size = snprintf(head, sizeof head,
                        "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain\r\n"
                        "Content-Length: %d\r\n%s\r\n",
                        content, closing ? "Connection: close\r\n" : "");
    *length = (size_t)size + (size_t)content;
    char *answers = malloc(*length * MOST_AT_ONCE);
    if (answers == NULL)
        err(1, "malloc");
    for (int i = 0; i < MOST_AT_ONCE; i++) {
        char *answer = answers + (size_t)i * *length;
        memcpy(answer, head, (size_t)size);
        for (int at = 0; at < content; at++)
            answer[size + at] = "asteri "[at % 7];
    }
    return answers;
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0)
        err(1, "listen on %d", port);
    return fd;
}

/* How many heads end in what was received. `matched` is how much of END came with earlier bytes. */
static int count_heads(const char *data, ssize_t size, unsigned char *matched)
{
    int heads = 0, state = *matched;
    for (ssize_t i = 0; i < size; i++) {
        state = data[i] == END[state] ? state + 1 : data[i] == '\r';
        if (state == 4) {
            heads++;
            state = 0;
        }
    }
    *matched = (unsigned char)state;
    return heads;
}

static void serve(int listener, const char *answers, size_t length, int closing)
{
    static unsigned char matched[FDS];
    static char data[65536];
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.fd = listener};
    int poll = epoll_create1(0), yes = 1;
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                fd = accept(listener, NULL, NULL);
                if (fd < 0 || fd >= FDS)
                    err(1, "accept");
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                matched[fd] = 0;
                event.data.fd = fd;
                epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
                continue;
            }
            ssize_t size = recv(fd, data, sizeof data, 0);
            int open = size > 0, heads = open ? count_heads(data, size, &matched[fd]) : 0;
            for (int now; open && heads > 0; heads -= now) {
                now = heads < MOST_AT_ONCE ? heads : MOST_AT_ONCE;
                open = send(fd, answers, (size_t)now * length, MSG_NOSIGNAL) >= 0 && !closing;
            }
            if (!open)
                close(fd);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 4)
        errx(2, "usage: %s PORT BYTES WORKERS [close]", argv[0]);
    int closing = argc > 4 && strcmp(argv[4], "close") == 0;
    size_t length;
    char *answers = make_answers(atoi(argv[2]), closing, &length);
    for (int more = atoi(argv[3]) - 1; more > 0; more--)
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            break;
        }
    serve(listen_on(atoi(argv[1])), answers, length, closing);
}

/*
 * The limit of a load generator: what a client on this machine cannot be leaner than. One epoll_wait for all answers that
 * have come, one recv for each, a comparison with what it has to be, and one send of the next request. It never sleeps,
 * for to wake it would cost the server's time. It is no HTTP client: it knows beforehand what is answered.
 *
 *     client PORT CONNECTIONS SECONDS SIZE REQUEST CONTENT
 *
 * SIZE is what a whole answer has in bytes, REQUEST and CONTENT are files. Every answer has to begin with a status line
 * that says 200, and to end with the content. The first that does not, a connection that ends, and ten seconds without an
 * answer end it with 1 and a word of it; else it prints one line of figures, times in microseconds.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum { EVENTS = 512, SECOND = 1000000 /* microseconds */, PATIENCE = 10 * SECOND, LONGEST = SECOND /* that is counted */ };

struct text {
    char *data;
    size_t size;
};

struct connection {
    int fd;
    int64_t sent; /* when its request was */
    size_t have;  /* bytes of the answer */
    char *answer; /* room for one byte more than it has */
};

static const char STATUS[] = "HTTP/1.1 200 ";

static int64_t microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec / 1000;
}

static struct text read_file(const char *path)
{
    struct text text = {NULL, 0};
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        err(1, "%s", path);
    text.size = (size_t)ftell(file);
    text.data = malloc(text.size + 1);
    rewind(file);
    if (text.data == NULL || fread(text.data, 1, text.size, file) != text.size)
        err(1, "%s", path);
    fclose(file);
    return text;
}

static void ask(struct connection *to, struct text request, int64_t now)
{
    to->have = 0;
    to->sent = now;
    if (send(to->fd, request.data, request.size, MSG_NOSIGNAL) != (ssize_t)request.size)
        err(1, "a request cannot be sent");
}

static void open_connection(struct connection *opened, int port, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1;
    opened->fd = socket(AF_INET, SOCK_STREAM, 0);
    opened->answer = malloc(size + 1);
    if (opened->fd < 0 || opened->answer == NULL || connect(opened->fd, (void *)&address, sizeof address) < 0 ||
        setsockopt(opened->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0)
        err(1, "connect to %d", port);
}

/* Whether the answer is whole. */
static int take(struct connection *from, size_t size, struct text content)
{
    ssize_t got = recv(from->fd, from->answer + from->have, size + 1 - from->have, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0)
        errx(1, "a connection has ended");
    from->have += (size_t)got;
    if (from->have < size)
        return 0;
    if (from->have > size || memcmp(from->answer, STATUS, sizeof STATUS - 1) != 0 ||
        memcmp(from->answer + size - content.size, content.data, content.size) != 0)
        errx(1, "an answer is not what it has to be");
    return 1;
}

/* The latency that `share` of the answers had at most. */
static int percentile(const uint32_t *latencies, int64_t answers, double share)
{
    int64_t below = 0;
    int latency = 0;
    while (latency < LONGEST && (below += latencies[latency]) < (int64_t)((double)answers * share))
        latency++;
    return latency;
}

int main(int argc, char **argv)
{
    static uint32_t latencies[LONGEST + 1];
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN};
    if (argc != 7)
        errx(2, "usage: %s PORT CONNECTIONS SECONDS SIZE REQUEST CONTENT", argv[0]);
    int port = atoi(argv[1]), count = atoi(argv[2]), poll = epoll_create1(0);
    size_t size = (size_t)atol(argv[4]);
    struct text request = read_file(argv[5]), content = read_file(argv[6]);
    struct connection *connections = calloc((size_t)count, sizeof *connections);
    if (poll < 0 || connections == NULL || size < sizeof STATUS + content.size)
        errx(2, "an answer of %zu bytes is smaller than its content", size);
    for (int i = 0; i < count; i++) {
        open_connection(&connections[i], port, size);
        event.data.ptr = &connections[i];
        if (epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].fd, &event) < 0)
            err(1, "epoll_ctl");
    }
    int64_t begun = microseconds(), now = begun, end = begun + atol(argv[3]) * SECOND, answers = 0;
    for (int i = 0; i < count; i++)
        ask(&connections[i], request, now);
    for (int64_t heard = begun; now < end;) {
        int ready = epoll_wait(poll, events, EVENTS, 0);
        now = microseconds();
        heard = ready > 0 ? now : heard;
        if (now - heard > PATIENCE)
            errx(1, "no answer within ten seconds");
        for (int i = 0; i < ready; i++) {
            struct connection *from = events[i].data.ptr;
            if (!take(from, size, content))
                continue;
            int64_t latency = now - from->sent;
            latencies[latency < LONGEST ? latency : LONGEST]++;
            answers++;
            ask(from, request, now);
        }
    }
    printf("figures requests=%lld duration=%lld p50=%d p99=%d\n", (long long)answers, (long long)(now - begun),
           percentile(latencies, answers, 0.50), percentile(latencies, answers, 0.99));
}

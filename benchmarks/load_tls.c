/* A load generator for TLS echo servers: load.c's raw mode with one message in flight, through OpenSSL.
 *
 * It verifies the server's certificate, and every byte of every reply.  Each message is random filler, fixed for its
 * connection, with a stamp (connection, message number) every 4 KiB, so that a reply of another connection, or an older one,
 * is seen.
 *
 * Output: one line of JSON, as load.c writes it.  Exit: 0 done, 1 a wrong reply, 2 usage, 3 the connection or the system failed.
 */
#define _GNU_SOURCE
#define NAME "load_tls"
#include "load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <unistd.h>

#define STAMP 8                  /* bytes: 3 of the connection, 5 of the message number */

struct connection {
    int fd;
    SSL *tls;
    uint32_t id;
    uint64_t number, issued_at;
    size_t sent, received;       /* of the message in flight */
    bool wants_out;
    char *message;
};

static struct {
    struct sockaddr_in address;
    const char *ca;
    uint32_t connections;
    size_t size;
    double warm_up, seconds;
} options = {.connections = 50, .size = 16384, .warm_up = 0.2, .seconds = 1.0};

static int poller;
static char read_buffer[READ_SIZE];

/* OpenSSL's own words for what has just gone wrong. */
static const char *openssl_reason(void) {
    const char *reason = ERR_reason_error_string(ERR_get_error());
    return reason != NULL ? reason : "no reason given";
}

static void watch_output(struct connection *c, bool wanted) {
    if (wanted == c->wants_out)
        return;
    struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0u), .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event) < 0)
        fail(TROUBLE, "epoll_ctl: %s", strerror(errno));
    c->wants_out = wanted;
}

static void send_rest(struct connection *c) {
    while (c->sent < options.size) {
        size_t taken = 0;
        ERR_clear_error();
        if (SSL_write_ex(c->tls, c->message + c->sent, options.size - c->sent, &taken) != 1) {
            int error = SSL_get_error(c->tls, 0);
            if (error != SSL_ERROR_WANT_WRITE && error != SSL_ERROR_WANT_READ)
                fail(TROUBLE, "SSL_write on connection %u: %s", c->id, openssl_reason());
            watch_output(c, true);
            return;
        }
        c->sent += taken;
    }
    watch_output(c, false);
}

static void issue(struct connection *c) {
    uint64_t stamp = ((uint64_t)c->id << 40) | (c->number & 0xFFFFFFFFFFull);
    for (size_t at = 0; at + STAMP <= options.size; at += STAMP_EVERY)
        memcpy(c->message + at, &stamp, STAMP);
    c->issued_at = now_ns();
    c->sent = c->received = 0;
    in_air++;
    send_rest(c);
}

static void receive(struct connection *c) {
    for (;;) {
        size_t length = 0;
        ERR_clear_error();
        if (SSL_read_ex(c->tls, read_buffer, READ_SIZE, &length) != 1) {
            int error = SSL_get_error(c->tls, 0);
            if (error == SSL_ERROR_WANT_READ)
                return;
            fail(TROUBLE, "SSL_read on connection %u after %llu messages: %s", c->id, (unsigned long long)c->number,
                 openssl_reason());
        }
        reads++;
        last_progress = now_ns();
        if (c->received + length > c->sent)
            fail(WRONG_REPLY, "connection %u: more bytes than were sent", c->id);
        if (memcmp(c->message + c->received, read_buffer, length) != 0)
            fail(WRONG_REPLY, "connection %u, message %llu: another reply", c->id, (unsigned long long)c->number);
        c->received += length;
        if (c->received == options.size) {
            total++, in_air--, c->number++;
            if (last_progress >= counted_from && last_progress < counted_to)
                record(last_progress - c->issued_at);
            if (!issuing)
                return;
            issue(c);
        }
    }
}

static void open_connection(struct connection *c, SSL_CTX *context, uint32_t id) {
    int on = 1;
    uint64_t random = seed_of(id);
    c->id = id;
    if ((c->message = malloc(options.size)) == NULL)
        fail(TROUBLE, "out of memory");
    for (size_t at = 0; at < options.size; at++)
        c->message[at] = (char)next_random(&random);
    if ((c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0 ||
        connect(c->fd, (struct sockaddr *)&options.address, sizeof options.address) < 0)
        fail(TROUBLE, "connect: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if ((c->tls = SSL_new(context)) == NULL || SSL_set_fd(c->tls, c->fd) != 1)
        fail(TROUBLE, "SSL_new: %s", openssl_reason());
    SSL_set1_host(c->tls, "localhost");
    if (SSL_connect(c->tls) != 1)
        fail(TROUBLE, "handshake of connection %u: %s", id, openssl_reason());
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
        fail(TROUBLE, "fcntl: %s", strerror(errno));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) < 0)
        fail(TROUBLE, "epoll_ctl: %s", strerror(errno));
}

static void parse(int argc, char **argv) {
    static const struct option names[] = {
        {"target", required_argument, NULL, 't'},      {"ca", required_argument, NULL, 'a'},
        {"size", required_argument, NULL, 'b'},        {"connections", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'},     {"warm-up", required_argument, NULL, 'w'},
        {NULL, 0, NULL, 0}};
    int which;
    options.address.sin_family = AF_INET;
    while ((which = getopt_long(argc, argv, "", names, NULL)) != -1) {
        char *colon;
        switch (which) {
        case 't':
            if ((colon = strchr(optarg, ':')) == NULL)
                fail(USAGE, "target is IPv4:port, not '%s'", optarg);
            *colon = 0;
            if (inet_pton(AF_INET, optarg, &options.address.sin_addr) != 1)
                fail(USAGE, "'%s' is no IPv4 address", optarg);
            options.address.sin_port = htons((uint16_t)atoi(colon + 1));
            break;
        case 'a': options.ca = optarg; break;
        case 'b': options.size = strtoul(optarg, NULL, 10); break;
        case 'c': options.connections = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 's': options.seconds = strtod(optarg, NULL); break;
        case 'w': options.warm_up = strtod(optarg, NULL); break;
        default: fail(USAGE, "--target IPV4:PORT --ca FILE --size B --connections N --warm-up S --seconds S");
        }
    }
    if (options.address.sin_port == 0 || options.ca == NULL || options.size < STAMP || options.connections == 0)
        fail(USAGE, "--target and --ca are needed; size is at least %d, connections at least 1", STAMP);
}

int main(int argc, char **argv) {
    parse(argc, argv);
    allow_descriptors(options.connections);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_load_verify_locations(context, options.ca, NULL) != 1)
        fail(TROUBLE, "%s: %s", options.ca, openssl_reason());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    struct connection *connections = calloc(options.connections, sizeof *connections);
    if (connections == NULL || (poller = epoll_create1(EPOLL_CLOEXEC)) < 0)
        fail(TROUBLE, "epoll_create1: %s", strerror(errno));
    for (uint32_t id = 0; id < options.connections; id++)
        open_connection(&connections[id], context, id);
    start_counting(options.warm_up, options.seconds);
    for (uint32_t id = 0; id < options.connections; id++)
        issue(&connections[id]);
    while (issuing || in_air > 0) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, 100);
        if (ready < 0 && errno != EINTR)
            fail(TROUBLE, "epoll_wait: %s", strerror(errno));
        for (int at = 0; at < ready; at++) {
            struct connection *c = events[at].data.ptr;
            if (c->sent < options.size)
                send_rest(c);
            receive(c);
        }
        go_on_or_give_up();
    }
    print_figures(options.size, options.seconds);
    return 0;
}

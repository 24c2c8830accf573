/* Echo on epoll in C: what the kernel alone costs, when nothing is interpreted and nobody looks at what was sent.
 *
 * The floor under every row whose replies are what was asked.  No server can be quicker by more than this one is, however
 * little it does itself.
 *
 * What spares the kernel work is done here as well, or the floor would be above those who do it: no `accept` that finds
 * nobody, no option that the listener can hand down, and no second look at a socket that has been read (EPOLLET).
 *
 * Output: the port, in one line.  Nothing more is read from a peer that does not take its replies.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 65536          /* bytes */
#define MOST_DESCRIPTORS 65536
#define AT_ONCE 128              /* events of one epoll_wait */
#define NEWS (EPOLLIN | EPOLLRDHUP | EPOLLET)

static int epoll, listener;
static char chunk[READ_SIZE];

static struct {
    char *bytes;                 /* what the peer had no room for; NULL: nothing */
    size_t from, to;
} unsent[MOST_DESCRIPTORS];

static void die(const char *what) {
    perror(what);
    exit(3);
}

static void watch(int how, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll, how, fd, &event) != 0)
        die("epoll_ctl");
}

static void let_go(int fd) {
    free(unsent[fd].bytes);
    unsent[fd].bytes = NULL;
    close(fd);
}

/* As many as came the last time, and twice as many if they all came: to ask until nobody is there makes a socket in vain. */
static void accept_some(void) {
    static int most = 1;
    for (int taken = 0; taken < most; taken++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0) {
            most = taken > 0 ? taken : 1;
            return;
        }
        if (fd < MOST_DESCRIPTORS)
            watch(EPOLL_CTL_ADD, fd, NEWS);
        else
            close(fd);
    }
    if (most < AT_ONCE)
        most *= 2;
}

static void keep(int fd, const char *bytes, size_t size) {
    unsent[fd].bytes = malloc(size);
    if (unsent[fd].bytes == NULL)
        die("malloc");
    memcpy(unsent[fd].bytes, bytes, size);
    unsent[fd].from = 0;
    unsent[fd].to = size;
    watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

/* Read and reply once; says whether to do it again, for nothing that is there already is news. */
static bool answer(int fd, bool has_ended) {
    ssize_t size = read(fd, chunk, sizeof chunk);
    if (size <= 0) {
        if (size == 0 || errno != EAGAIN)
            let_go(fd);
        return false;
    }
    ssize_t taken = write(fd, chunk, size);
    if (taken < 0 && errno != EAGAIN)
        let_go(fd);
    else if (taken < size)
        keep(fd, chunk + (taken < 0 ? 0 : taken), size - (taken < 0 ? 0 : taken));
    else
        return has_ended || size == sizeof chunk;
    return false;
}

static void go_on(int fd) {
    ssize_t taken = write(fd, unsent[fd].bytes + unsent[fd].from, unsent[fd].to - unsent[fd].from);
    if (taken < 0) {
        if (errno != EAGAIN)
            let_go(fd);
        return;
    }
    unsent[fd].from += taken;
    if (unsent[fd].from < unsent[fd].to)
        return;
    free(unsent[fd].bytes);
    unsent[fd].bytes = NULL;
    watch(EPOLL_CTL_MOD, fd, NEWS);
}

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct epoll_event events[AT_ONCE];
    int one = 1;

    epoll = epoll_create1(0);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (epoll < 0 || listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 ||
        listen(listener, 1024) != 0 || getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        die("listen");
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(epoll, events, AT_ONCE, -1);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int at = 0; at < count; at++) {
            int fd = events[at].data.fd;
            if (fd == listener)
                accept_some();
            else if (unsent[fd].bytes != NULL)
                go_on(fd);
            else
                while (answer(fd, events[at].events & EPOLLRDHUP))
                    ;
        }
    }
}

/* What the load generators share: clocks, the latency histogram, how busy and how crowded out they were, and the one line
 * of JSON that each prints.  A generator defines NAME (its own, for complaints) before it includes this.
 */
#ifndef PIPELINE_NET_LOAD_H
#define PIPELINE_NET_LOAD_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { WRONG_REPLY = 1, USAGE = 2, TROUBLE = 3 }; /* how a generator ends when it does not end well */

#define SECOND 1000000000ull
#define STALLED (10 * SECOND)     /* no byte from any connection for that long: the server hangs */
#define STAMP_EVERY 4096          /* bytes between two stamps of one message */
#define READ_SIZE (256 * 1024)    /* bytes a read may bring; the buffer stays in the second-level cache */
#define EVENTS 256                /* of one epoll_wait */
#define SPARE_DESCRIPTORS 50      /* beside the connections */

static uint64_t counted_from, counted_to; /* ns: what is answered between them is measured */
static uint64_t counted, total, in_air, last_progress, reads;
static bool issuing = true;

__attribute__((noreturn, format(printf, 2, 3))) static void fail(int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs(NAME ": ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(status);
}

static uint64_t now_ns(void) {
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return (uint64_t)moment.tv_sec * SECOND + (uint64_t)moment.tv_nsec;
}

/* Filler that looks random, and is the same at every run. */
static inline uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state >> 20;
}

static inline uint64_t seed_of(uint32_t id) {
    return 0x9E3779B97F4A7C15ull * (id + 1);
}

/* Let this process have that many connections; `ulimit -n` is only what it starts with. */
static void allow_descriptors(uint32_t connections) {
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections + SPARE_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    if (limit.rlim_max < wanted)
        fail(TROUBLE, "%u connections need more descriptors than `ulimit -Hn`, which is %llu", connections,
             (unsigned long long)limit.rlim_max);
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail(TROUBLE, "setrlimit: %s", strerror(errno));
}

/* --- latency: a histogram with 64 steps per power of two (1.6 % wide), as HdrHistogram has them ------------------------ */

#define STEPS 64
#define STEP_BITS 6
static uint64_t histogram[64 * STEPS], longest_ns;

static inline void record(uint64_t ns) {
    counted++;
    if (ns > longest_ns)
        longest_ns = ns;
    if (ns < STEPS) {
        histogram[ns]++;
        return;
    }
    int power = 63 - __builtin_clzll(ns);
    histogram[(power - STEP_BITS + 1) * STEPS + (int)((ns >> (power - STEP_BITS)) & (STEPS - 1))]++;
}

static double percentile_us(double share) {
    uint64_t wanted = (uint64_t)(share * (double)counted), seen = 0;
    for (int at = 0; at < 64 * STEPS; at++) {
        seen += histogram[at];
        if (seen > wanted) {
            int power = at / STEPS;
            uint64_t ns = power == 0 ? (uint64_t)at : (uint64_t)(STEPS + at % STEPS) << (power - 1);
            return (double)ns / 1000.0;
        }
    }
    return 0.0;
}

/* --- the generator itself --------------------------------------------------------------------------------------------- */

static double cpu_before, waited_before;
static uint64_t started;

/* Seconds that this thread was ready to run while its core ran somebody else; 0 where the kernel does not tell. */
static double waited_seconds(void) {
    unsigned long long ran, waited = 0;
    FILE *file = fopen("/proc/self/schedstat", "r");
    if (file != NULL) {
        if (fscanf(file, "%llu %llu", &ran, &waited) != 2)
            waited = 0;
        fclose(file);
    }
    return (double)waited / 1e9;
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* All connections are open: from here on the clock runs.  Returns now. */
static uint64_t start_counting(double warm_up, double seconds) {
    cpu_before = cpu_seconds(), waited_before = waited_seconds();
    started = last_progress = now_ns();
    counted_from = started + (uint64_t)(warm_up * 1e9);
    counted_to = counted_from + (uint64_t)(seconds * 1e9);
    return started;
}

/* After the measured time, what is in the air must still come back, and right: until then there is no end. */
static void go_on_or_give_up(void) {
    uint64_t now = now_ns();
    issuing = now < counted_to;
    if (now > last_progress && now - last_progress > STALLED)
        fail(TROUBLE, "no reply for %llu s; %llu messages in the air", STALLED / SECOND, (unsigned long long)in_air);
}

static void print_figures(size_t size, double seconds) {
    double wall = (double)(now_ns() - started) / 1e9;
    double busy = (cpu_seconds() - cpu_before) / wall, waited = (waited_seconds() - waited_before) / wall;
    printf("{\"messages\": %llu, \"total\": %llu, \"seconds\": %.6f, \"rate\": %.1f, \"mb_per_s\": %.3f, ",
           (unsigned long long)counted, (unsigned long long)total, seconds, (double)counted / seconds,
           (double)counted * (double)size / seconds / 1e6);
    printf("\"p50_us\": %.1f, \"p99_us\": %.1f, \"p99_9_us\": %.1f, \"longest_us\": %.1f, ", percentile_us(0.5),
           percentile_us(0.99), percentile_us(0.999), (double)longest_ns / 1000.0);
    printf("\"load_busy\": %.3f, \"load_waited\": %.3f, \"replies_per_read\": %.2f}\n", busy, waited,
           reads == 0 ? 0.0 : (double)total / (double)reads);
}

#endif

/* hurry.c: a clock that runs HURRY times as fast, for programs that are started with it (LD_PRELOAD); what waits, waits shorter.
 * All programs with the same HURRY_SINCE, in nanoseconds of this machine's clock since boot, agree on the time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define ANSWER (SECOND / 2) /* which servers may take by the real clock: they are not faster */
typedef long long nanoseconds;

static nanoseconds rate = 1, since;

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("HURRY");
    rate = text ? atoll(text) : 1;
    text = getenv("HURRY_SINCE");
    since = text ? atoll(text) : 0;
}

static nanoseconds whole(const struct timespec *time) { return time->tv_sec * SECOND + time->tv_nsec; }

static struct timespec parts(nanoseconds time) {
    if (time < 0) time = 0;
    return (struct timespec){.tv_sec = time / SECOND, .tv_nsec = time % SECOND};
}

static nanoseconds real(clockid_t clock) {
    struct timespec now;
    syscall(SYS_clock_gettime, clock, &now);
    return whole(&now);
}

/* How far the fast clocks are before the others. */
static nanoseconds lead(void) { return (real(CLOCK_BOOTTIME) - since) * (rate - 1); }

static int is_fast(clockid_t clock) { return clock != CLOCK_PROCESS_CPUTIME_ID && clock != CLOCK_THREAD_CPUTIME_ID; }

/* When a time of a fast clock comes, by the real one. */
static struct timespec until(clockid_t clock, const struct timespec *fast) {
    nanoseconds now = real(clock), left = whole(fast) - now - lead();
    return parts(now + (left > 0 ? left / rate : 0));
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (syscall(SYS_clock_gettime, clock, now)) return -1;
    if (is_fast(clock)) *now = parts(whole(now) + lead());
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec found;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (now) *now = found.tv_sec;
    return found.tv_sec;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *rest) {
    struct timespec time = flags & TIMER_ABSTIME ? until(clock, wanted) : parts(whole(wanted) / rate);
    (void)rest;
    return syscall(SYS_clock_nanosleep, clock, flags, &time, NULL) ? errno : 0;
}

int nanosleep(const struct timespec *wanted, struct timespec *rest) {
    (void)rest;
    return clock_nanosleep(CLOCK_MONOTONIC, 0, wanted, NULL) ? -1 : 0;
}

int sem_clockwait(sem_t *restrict lock, clockid_t clock, const struct timespec *restrict end) {
    int (*next)(sem_t *, clockid_t, const struct timespec *) = dlsym(RTLD_NEXT, "sem_clockwait");
    struct timespec real_end = until(clock, end);
    return next(lock, clock, &real_end);
}

int pthread_cond_clockwait(pthread_cond_t *change, pthread_mutex_t *lock, clockid_t clock, const struct timespec *end) {
    int (*next)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *) = dlsym(RTLD_NEXT, "pthread_cond_clockwait");
    struct timespec real_end = until(clock, end);
    return next(change, lock, clock, &real_end);
}

/* Rounded up, or who waits for a moment would not wait at all. */
static int milliseconds(int fast) { return fast > 0 ? (int)((fast + rate - 1) / rate) : fast; }

/* What waits for the network, with the time-out that a program gives its sockets. */
int poll(struct pollfd *all, nfds_t count, int patience) {
    nanoseconds asked = (nanoseconds)patience * 1000000, least = asked < ANSWER ? asked : ANSWER;
    struct timespec time = parts(asked / rate > least ? asked / rate : least);
    return (int)syscall(SYS_ppoll, all, count, patience < 0 ? NULL : &time, NULL, 8);
}

int epoll_wait(int group, struct epoll_event *events, int count, int patience) {
    return epoll_pwait(group, events, count, milliseconds(patience), NULL);
}

int select(int count, fd_set *restrict in, fd_set *restrict out, fd_set *restrict other, struct timeval *restrict patience) {
    struct timespec time;
    if (patience) time = parts((patience->tv_sec * SECOND + patience->tv_usec * 1000LL) / rate);
    return (int)syscall(SYS_pselect6, count, in, out, other, patience ? &time : NULL, NULL);
}

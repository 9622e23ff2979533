/* Has a traced run (build/uses.py) wait for its other process to end, in place of each sleep.
 *
 * A DEL sleeps for half a millisecond so that its other process is the first to remove the interface. Under
 * valgrind either could be, and would have the run write to other places: two traces, and builds, would differ.
 */

#define _GNU_SOURCE
#include <sys/wait.h>
#include <time.h>

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *request, struct timespec *left)
{
    (void)clock, (void)flags, (void)request, (void)left;
    siginfo_t ended;
    waitid(P_ALL, 0, &ended, WEXITED | WNOWAIT);
    return 0;
}
